/** Small helpers around the document. */

/** @template {Element} T @param {string} id @param {new () => T} type @returns {T} */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`index.html has no ${type.name} #${id}`);
}

/** @param {string} id @returns {HTMLElement} a copy of the one element in that template */
export function fromTemplate(id) {
  const { content } = byId(id, HTMLTemplateElement);
  return /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (content.cloneNode(true)).firstElementChild);
}

/** @param {Element} root @param {string} selector @returns {HTMLElement} */
export const part = (root, selector) => /** @type {HTMLElement} */ (root.querySelector(selector));

/** @param {Element} svg @param {string} name  of a symbol in index.html */
export const setIcon = (svg, name) => svg.querySelector('use')?.setAttribute('href', `#i-${name}`);

/** True while an input method is putting a character together; 229 is what Safari says for the Enter that ends it. @param {KeyboardEvent} event */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

export const prefersReducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
