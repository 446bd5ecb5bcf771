/** The theme: dark, light, or what the system says. Kept in a cookie, so that the server paints the right one at once. */
import { byId, setAttribute, setHtml } from "../lib/dom.js";
import { icon } from "../lib/html.js";

const COOKIE = "ringside_theme";
const YEAR_S = 365 * 24 * 3600;

/** Each theme with the next one, its icon and its words. @type {Record<string, { next: string, icon: string, label: string }>} */
const THEMES = {
  dark: { next: "light", icon: "moon", label: "Theme: dark" },
  light: { next: "auto", icon: "sun", label: "Theme: light" },
  auto: { next: "dark", icon: "auto", label: "Theme: as the system" },
};

/** @param {() => void} onChange After the tokens have changed. */
export function registerTheme(onChange) {
  const button = byId("theme");
  const root = document.documentElement;
  const toggle = () => {
    const theme = THEMES[root.dataset.theme ?? "auto"].next;
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    document.querySelector("meta[name=color-scheme]")?.setAttribute("content", theme === "auto" ? "dark light" : theme);
    document.cookie = `${COOKIE}=${theme}; path=/; max-age=${YEAR_S}; samesite=lax`;
    setAttribute(button, "aria-label", THEMES[theme].label);
    setHtml(button, icon(THEMES[theme].icon));
    onChange();
  };
  button.addEventListener("click", toggle);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", onChange);
  return toggle;
}
