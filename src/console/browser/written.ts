import { fill, h } from "./dom.js"
import { type Json, number, texts } from "./json.js"
import { say } from "./say.js"

/** Who holds a write, in the words of its answer. */
export const acknowledged = (body: Json): string => {
  const nodes = number(body["quorum_acks"])
  const names = texts(body["acked_by"])
  return nodes === 1 ? "It is held by this node." : `It is held by ${nodes} nodes: ${names.join(", ")}.`
}

/** A way on from what happened. */
export const note = (text: string, link?: { readonly href: string; readonly name: string }): HTMLElement =>
  h(
    "div",
    { class: "alert mild", role: "status" },
    h("p", {}, text, link === undefined ? undefined : [" ", h("a", { href: link.href }, link.name)])
  )

/** Where something can be decided, and what came of it. */
export const outcome = (): HTMLElement => h("div", { tabindex: "-1" })

/** Tells what came of a decision in the place of the buttons that made it. Who pressed one reads on there. */
export const settle = (
  place: HTMLElement,
  buttons: ReadonlyArray<HTMLElement>,
  told: string,
  link?: { readonly href: string; readonly name: string }
): void => {
  const hadFocus = buttons.some((button) => button === document.activeElement)
  fill(place, note(told, link))
  for (const button of buttons) button.remove()
  if (hadFocus) place.focus()
  say(told)
}
