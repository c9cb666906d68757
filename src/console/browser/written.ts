import { h } from "./dom.js"
import { type Json, number, texts } from "./json.js"

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
