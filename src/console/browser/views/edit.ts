import { ask, Failed, segment } from "../asking.js"
import { attempts } from "../attempts.js"
import { compared } from "../compared.js"
import * as Controls from "../controls.js"
import { fill, h } from "../dom.js"
import * as Drafts from "../drafts.js"
import * as Form from "../form.js"
import * as Memories from "../memories.js"
import { alert, say } from "../say.js"
import { go, type View } from "../view.js"
import { acknowledged } from "../written.js"

/** Changes a memory, if it is still the one that was read: else both are shown, and somebody decides. */
export const edit: View = {
  name: "edit",
  title: "Edit",
  show: async ({ rest, root, signal }) => {
    const first = Memories.read((await ask(`/memories/${segment(rest)}`, { signal })).body)
    // It can only go up.
    const tiers = Form.TIERS.slice(Math.max(0, Form.TIERS.findIndex((tier) => tier === first.tier)))
    const fields = Form.make({ tiers, signal })
    const version = h("input", { type: "hidden" })
    const problems = h("div", {})
    const form = h(
      "form",
      { "aria-label": "Memory" },
      fields.fields,
      version,
      problems,
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "submit", class: "first" }, "Save"),
        h("a", { href: Memories.place(first.id) }, "Back without saving")
      )
    )
    root.append(form)
    const take = (memory: Memories.Memory) => {
      fields.set(memory)
      version.value = memory.updatedAt
      // As its controls have it: they know one kind of line end.
      return fields.state()
    }
    const draft = `edit ${first.id}`
    const editing: Editing = { id: first.id, fields, version, problems, draft, base: take(first), take }
    if (Drafts.keep(draft, form, { ...fields.controls, version })) say("What you had not sent is still here.")
    const headersOf = attempts()
    Controls.onSubmit(form, () => save(editing, headersOf))
  }
}

interface Editing {
  readonly id: string
  readonly fields: Form.Form
  /** The version that the change is made to. */
  readonly version: HTMLInputElement
  readonly problems: HTMLElement
  readonly draft: string
  /** What the change is compared with. */
  base: ReturnType<Form.Form["state"]>
  readonly take: (memory: Memories.Memory) => ReturnType<Form.Form["state"]>
}

const save = async (editing: Editing, headersOf: ReturnType<typeof attempts>): Promise<void> => {
  const { draft, fields, id, problems, version } = editing
  const body = Form.changes(editing.base, fields.state())
  if (Object.keys(body).length === 0) return fill(problems, h("p", { role: "status" }, "Nothing was changed."))
  const headers = { ...headersOf({ ...body, version: version.value }), "if-match": `"${version.value}"` }
  try {
    const answer = await ask(`/memories/${segment(id)}`, { method: "PUT", body, headers })
    Drafts.drop(draft)
    say(`Saved. ${acknowledged(answer.body)}`)
    go(Memories.place(id))
  } catch (error) {
    if (error instanceof Failed && error.status === 412) await met(editing)
    else fill(problems, alert(error))
  }
}

/** Somebody else changed it meanwhile. Nothing was written; what they wrote is read, and shown beside what stands here. */
const met = async (editing: Editing): Promise<void> => {
  const { draft, fields, id, problems, take, version } = editing
  try {
    const theirs = Memories.read((await ask(`/memories/${segment(id)}`)).body)
    const title = h("h2", { tabindex: "-1" }, "It was changed while you edited it")
    const mine = () => {
      version.value = theirs.updatedAt
      // What they wrote and you did not touch would be lost otherwise without a word: all that differs is sent.
      editing.base = theirs
      fill(problems, h("p", { role: "status" }, "What you save now takes the place of what they wrote."))
      fields.controls.title.focus()
    }
    const other = () => {
      editing.base = take(theirs)
      Drafts.drop(draft)
      fill(problems, h("p", { role: "status" }, "This is what they wrote."))
      fields.controls.title.focus()
    }
    fill(
      problems,
      h(
        "section",
        { class: "alert mild", role: "alert", "aria-label": "Changed meanwhile" },
        title,
        h("p", {}, "Nothing of yours was saved. Compare, and decide:"),
        compared({ name: "Yours", state: fields.state() }, { name: "Theirs", state: theirs }),
        h(
          "div",
          { class: "buttons" },
          Controls.action("Go on with mine", async () => mine()),
          Controls.action("Take theirs", async () => other())
        )
      )
    )
    title.focus()
  } catch (error) {
    fill(problems, alert(error))
  }
}
