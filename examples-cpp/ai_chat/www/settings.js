/** Language and colours: the browser's, or what was chosen here. */

import { byId, part, setIcon } from './dom.js';
import { applyLanguage, currentLanguage, pickLanguage, setLabel } from './i18n.js';

const THEMES = ['system', 'light', 'dark'];
const LANGUAGE = 'wsengine-chat.language';
const THEME = 'wsengine-chat.theme'; // theme.js reads it, too
const GROUNDS = { light: '#fbfaf8', dark: '#151817' };

export class Settings {
  #storage;
  #button = byId('theme', HTMLButtonElement);
  #systemIsDark = matchMedia('(prefers-color-scheme: dark)');

  /** @param {Storage | null} storage @param {() => void} onLanguage */
  constructor(storage, onLanguage) {
    this.#storage = storage;
    applyLanguage(pickLanguage(storage?.getItem(LANGUAGE) ?? null, navigator.languages), document);
    byId('language', HTMLButtonElement).addEventListener('click', () => {
      const next = currentLanguage() === 'en' ? 'zh' : 'en';
      applyLanguage(next, document);
      this.#keep(LANGUAGE, next);
      onLanguage();
    });
    this.#button.addEventListener('click', () => this.#choose(THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length]));
    this.#systemIsDark.addEventListener('change', () => this.#show());
    this.#show();
  }

  get theme() { return document.documentElement.dataset.theme ?? 'system'; }

  /** @param {string} theme */
  #choose(theme) {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.#keep(THEME, theme);
    this.#show();
  }

  #show() {
    setLabel(this.#button, `theme.${this.theme}`);
    setIcon(part(this.#button, 'svg'), this.theme);
    const dark = this.theme === 'dark' || (this.theme === 'system' && this.#systemIsDark.matches);
    document.querySelector('meta[name="theme-color"]')?.setAttribute('content', GROUNDS[dark ? 'dark' : 'light']);
  }

  /** @param {string} key @param {string} value */
  #keep(key, value) {
    try {
      this.#storage?.setItem(key, value);
    } catch {
      // Not kept for the next visit, that is all.
    }
  }
}
