/**
 * Keeps a scroller at its end while text grows, until the reader scrolls up; then leaves it alone until the reader is back at
 * the end, or asks for it.
 */

/** This close to the end counts as the end. */
const NEAR_END_PX = 48;
/** A smooth scroll that is still under way when the reader asks for the end goes on for as long as this. */
const SETTLE_MS = 300;

export class Autoscroll {
  #scroller;
  #onChange;
  #following = true;
  #settledAt = 0;
  #top = 0;
  #range = 0;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content     what grows inside it
   * @param {(following: boolean) => void} onChange
   */
  constructor(scroller, content, onChange) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    this.#remember();
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // The wheel is heard before the scrolling that it causes, which text arriving in between could undo.
    scroller.addEventListener('wheel', (event) => {
      if (event.deltaY >= 0 || event.ctrlKey || scroller.scrollTop === 0) return;
      this.#settledAt = 0;
      this.#setFollowing(false);
    }, { passive: true });
    // Scrolling to the end smoothly would arrive where the end was.
    scroller.addEventListener('keydown', (event) => {
      if (event.key !== 'End' || event.target !== scroller) return;
      event.preventDefault();
      this.follow();
    });
    // Growing text, a rotated phone, an on-screen keyboard: all of them change one of these two boxes.
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(scroller);
    observer.observe(content);
  }

  get following() { return this.#following; }

  /** Goes to the end and stays there. */
  follow() {
    this.#settledAt = performance.now() + SETTLE_MS;
    this.#setFollowing(true);
    this.#toEnd();
  }

  #resized() {
    if (this.#following) this.#toEnd();
    else this.#remember();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    // A shrinking range moves the position up too, without the reader's doing.
    const shrunk = scrollHeight - clientHeight < this.#range;
    const movedUp = scrollTop < this.#top - 0.5;
    const movedDown = scrollTop > this.#top + 0.5;
    if (movedUp && !shrunk && this.#following && performance.now() < this.#settledAt) return this.#toEnd();
    if (movedUp && !shrunk) this.#setFollowing(false);
    else if (movedDown && scrollHeight - clientHeight - scrollTop <= NEAR_END_PX) this.#setFollowing(true);
    this.#remember();
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#remember();
  }

  #remember() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#top = scrollTop;
    this.#range = scrollHeight - clientHeight;
  }

  /** @param {boolean} following */
  #setFollowing(following) {
    if (following === this.#following) return;
    this.#following = following;
    this.#onChange(following);
  }
}
