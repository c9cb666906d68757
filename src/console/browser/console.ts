import { onLocked, query } from "./asking.js"
import { showShortcuts, signIn } from "./dialogs.js"
import { button, fill, h } from "./dom.js"
import * as Drafts from "./drafts.js"
import { alert, isOver } from "./say.js"
import * as Shortcuts from "./shortcuts.js"
import type { Shown, View } from "./view.js"
import { ask } from "./views/ask.js"
import { conflicts } from "./views/conflicts.js"
import { deadLetters } from "./views/deadLetters.js"
import { edit } from "./views/edit.js"
import { list } from "./views/list.js"
import { memory } from "./views/memory.js"
import { mesh } from "./views/mesh.js"
import { pending } from "./views/pending.js"
import { write } from "./views/write.js"

/* The page at `/console`: which view is shown stands in its address. */

const SHOWN: ReadonlyArray<View> = [ask, list, write, conflicts, pending, mesh, deadLetters]
const VIEWS: ReadonlyArray<View> = [...SHOWN, memory, edit]

/** The part of the menu to which a view belongs that has none. */
const PARENTS: Readonly<Record<string, string>> = { memory: list.name, edit: list.name }

const main = document.getElementById("main")
const menu = document.getElementById("views")
const tools = document.getElementById("tools")

/** What the address says: `#/name/rest?parameters`. */
const placeOf = (hash: string) => {
  const [path = "", parameters = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s)
  const [name = "", ...rest] = path.split("/")
  return { view: VIEWS.find((view) => view.name === name) ?? ask, rest: unescaped(rest.join("/")), parameters }
}

const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

let ending = new AbortController()

const show = async (isFirst: boolean): Promise<void> => {
  if (main === null || menu === null) return
  ending.abort()
  ending = new AbortController()
  const { signal } = ending
  const { parameters, rest, view } = placeOf(location.hash)
  const title = h("h1", { tabindex: "-1" }, view.title)
  const root = h("div", { "aria-busy": true })
  const given: Shown = {
    root,
    rest,
    signal,
    parameters: new URLSearchParams(parameters),
    note: (noted) => history.replaceState(null, "", `#/${view.name}${query(noted)}`)
  }
  document.title = `${view.title} · Quorate`
  fill(
    menu,
    SHOWN.map(({ name, title: words }) => {
      const isHere = name === (PARENTS[view.name] ?? view.name)
      return h("li", {}, h("a", { href: `#/${name}`, "aria-current": isHere ? "page" : undefined }, words))
    })
  )
  fill(main, title, root)
  // A page that has just come begins at its top; whoever changed the view reads on where that begins.
  if (!isFirst) title.focus()
  try {
    await view.show(given)
  } catch (error) {
    if (!isOver(error)) root.append(alert(error))
  }
  root.removeAttribute("aria-busy")
  if (given.parameters.has("focus")) root.querySelector<HTMLElement>("input[type=search]")?.focus()
}

const changeKey = async (): Promise<void> => {
  if (await signIn(false)) await show(false)
}

if (tools !== null) {
  fill(
    tools,
    button("Key", () => void changeKey(), { class: "small", "aria-haspopup": "dialog" }),
    button("Keyboard", () => void showShortcuts(Shortcuts.listed(SHOWN)), { class: "small", "aria-haspopup": "dialog" })
  )
}
onLocked(signIn)
Drafts.guard()
Shortcuts.listen(SHOWN)
addEventListener("hashchange", () => void show(false))
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault()
  main?.focus()
})
void show(true)
