import { showShortcuts } from "./dialogs.js"
import * as Session from "./session.js"
import { go, type View } from "./view.js"

/* Single keys do what links and buttons do as well. None does where somebody writes, or when they are switched off. */

/** How long the second key of two is waited for. */
const PAIR_MILLIS = 1_500

export const listed = (views: ReadonlyArray<View>): ReadonlyArray<readonly [keys: string, what: string]> => [
  ["/", "ask"],
  ["j", "to the next memory or action"],
  ["k", "to the one before"],
  ["?", "this list"],
  ...views.flatMap(({ letter, title }) => letter === undefined ? [] : [[`g ${letter}`, title] as const])
]

export const listen = (views: ReadonlyArray<View>): void => {
  let first = 0
  addEventListener("keydown", (event) => {
    const { ctrlKey, key, metaKey, altKey, target } = event
    if (ctrlKey || metaKey || altKey || !Session.areShortcutsOn() || isWriting(target) || isAsked()) return
    const isSecond = performance.now() - first < PAIR_MILLIS
    first = 0
    const view = isSecond ? views.find(({ letter }) => letter === key) : undefined
    if (view !== undefined) go(`#/${view.name}`)
    else if (key === "g") first = performance.now()
    else if (key === "/") toQuestion()
    else if (key === "?") void showShortcuts(listed(views))
    else if (key === "j" || key === "k") step(key === "j" ? 1 : -1)
    else return
    event.preventDefault()
  })
}

const isWriting = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select")

/** A dialog has the keyboard for itself. */
const isAsked = (): boolean => document.querySelector("dialog[open]") !== null

const toQuestion = (): void => {
  const question = document.getElementById("q") ?? document.querySelector<HTMLElement>("input[type=search]")
  if (question === null) go("#/ask?focus=yes")
  else question.focus()
}

const step = (by: 1 | -1): void => {
  const items = Array.from(document.querySelectorAll<HTMLElement>("[data-item]"))
  const at = items.findIndex((item) => item === document.activeElement)
  const next = items[at === -1 ? (by === 1 ? 0 : items.length - 1) : at + by]
  next?.focus()
  next?.scrollIntoView({ block: "nearest" })
}
