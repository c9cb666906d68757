import { button, type Child, h } from "./dom.js"
import * as Session from "./session.js"

let count = 0

/** A dialog that is there until it is answered. Escape is no. The focus goes back to where it was. */
const open = (
  title: string,
  content: ReadonlyArray<Child>,
  buttons: (answer: (yes: boolean) => void) => ReadonlyArray<HTMLButtonElement>
): Promise<boolean> =>
  new Promise((resolve) => {
    const id = `dialog-${++count}`
    const answer = (yes: boolean) => {
      resolve(yes)
      dialog.close()
    }
    const form = h("form", {}, ...content, h("div", { class: "buttons" }, ...buttons(answer)))
    const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id, tabindex: "-1" }, title), form)
    form.addEventListener("submit", (event) => {
      event.preventDefault()
      answer(true)
    })
    dialog.addEventListener("close", () => {
      resolve(false)
      dialog.remove()
    })
    document.body.append(dialog)
    dialog.showModal()
  })

/** Asks before something is done that can not be undone here. */
export const confirm = (options: {
  readonly title: string
  readonly text: string
  readonly action: string
}): Promise<boolean> =>
  open(options.title, [h("p", {}, options.text)], (answer) => [
    h("button", { type: "submit", class: "danger" }, options.action),
    button("Cancel", () => answer(false), { autofocus: true })
  ])

/** Asks for the key, and as whom its user writes. */
export const signIn = async (wasRefused: boolean): Promise<boolean> => {
  const key = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", autofocus: true })
  const agent = h("input", { id: "agent", type: "text", autocomplete: "off", spellcheck: "false" })
  key.value = wasRefused ? "" : Session.key()
  agent.value = Session.agent()
  const given = await open("Key of this node", [
    wasRefused ? h("p", { class: "alert", role: "alert" }, "This key opens nothing here, or not any more.") : undefined,
    h(
      "div",
      { class: "field" },
      h("label", { for: "key" }, "API key"),
      key,
      h("p", { class: "hint" }, "It stays in this tab until you close it, and goes to this node alone.")
    ),
    h(
      "div",
      { class: "field" },
      h("label", { for: "agent" }, "Write as (optional)"),
      agent,
      h("p", { class: "hint" }, "The name by which others see what you write and decide, such as human:anna.")
    )
  ], (answer) => [
    h("button", { type: "submit", class: "first" }, "Use it"),
    button("Cancel", () => answer(false))
  ])
  if (!given) return false
  Session.setKey(key.value.trim())
  Session.setAgent(agent.value.trim())
  return true
}

/** What the keyboard does, and whether it does. */
export const showShortcuts = (shortcuts: ReadonlyArray<readonly [keys: string, what: string]>): Promise<boolean> => {
  const on = h("input", { id: "shortcuts-on", type: "checkbox" })
  on.checked = Session.areShortcutsOn()
  on.addEventListener("change", () => Session.setShortcuts(on.checked))
  return open("Keyboard", [
    h("p", {}, "Tab goes from one thing to the next, Enter and Space press, Escape closes. And with single keys:"),
    h(
      "table",
      { class: "pairs" },
      h("caption", { class: "unseen" }, "Shortcuts"),
      h(
        "tbody",
        {},
        shortcuts.map(([keys, what]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, keys.split(" ").map((each) => [h("kbd", {}, each), " "])),
            h("td", {}, what)
          )
        )
      )
    ),
    h("p", { class: "check" }, on, h("label", { for: "shortcuts-on" }, "Single keys do this"))
  ], () => [h("button", { type: "submit", class: "first" }, "Close")])
}
