import { ask, Failed } from "../asking.js"
import { attempts } from "../attempts.js"
import * as Controls from "../controls.js"
import { fill, h } from "../dom.js"
import * as Drafts from "../drafts.js"
import * as Form from "../form.js"
import { text } from "../json.js"
import * as Memories from "../memories.js"
import { alert, say } from "../say.js"
import { go, type View } from "../view.js"
import { acknowledged, note } from "../written.js"

const DRAFT = "write"

/** Writes a new memory. */
export const write: View = {
  name: "write",
  title: "Write",
  letter: "w",
  show: ({ root, signal }) => {
    const fields = Form.make({ tiers: Form.TIERS, signal })
    const problems = h("div", {})
    const form = h(
      "form",
      { "aria-label": "New memory" },
      fields.fields,
      problems,
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "first" }, "Store"))
    )
    root.append(form)
    if (Drafts.keep(DRAFT, form, fields.controls)) say("What you had not sent is still here.")
    const headersOf = attempts()
    Controls.onSubmit(form, async () => {
      const { namespace, ...state } = fields.state()
      const given = { ...state, source: "user", ...(namespace === "" ? {} : { namespace }) }
      try {
        const { body, status } = await ask("/memories", { method: "POST", body: given, headers: headersOf(given) })
        Drafts.drop(DRAFT)
        say(status === 202 ? "It waits for approval." : `Stored. ${acknowledged(body)}`)
        go(status === 202 ? "#/pending" : Memories.place(text(body["id"])))
      } catch (error) {
        fill(problems, isTaken(error) ? taken(error) : alert(error))
      }
    })
  }
}

const isTaken = (error: unknown): error is Failed => error instanceof Failed && error.status === 409

const taken = ({ body }: Failed): HTMLElement =>
  note("This namespace has a memory with this title already. Choose another title, or edit that one:", {
    href: Memories.place(text(body["existing_id"])),
    name: "the memory with this title"
  })
