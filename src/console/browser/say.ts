import { Failed } from "./asking.js"
import { h } from "./dom.js"

/** Tells those who listen to the page what has come of something. */
export const say = (what: string): void => {
  const said = document.getElementById("said")
  if (said === null) return
  // The same sentence twice is said twice.
  said.textContent = ""
  requestAnimationFrame(() => {
    said.textContent = what
  })
}

/** Why something was not done, for all to see and hear. */
export const alert = (error: unknown): HTMLElement =>
  h("div", { class: "alert", role: "alert" }, h("p", {}, messageOf(error)))

const messageOf = (error: unknown): string =>
  error instanceof Failed
    ? error.message
    : `This page failed: ${error instanceof Error ? error.message : String(error)}`

/** Whether nobody waits for it any more. */
export const isOver = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError"
