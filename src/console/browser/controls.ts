import { ask, query } from "./asking.js"
import { button, type Child, h } from "./dom.js"
import { records, text } from "./json.js"

let count = 0

/** A control under its label, with a word of help that belongs to it. */
export const field = (
  label: string,
  control: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement,
  hint?: string
): HTMLElement => {
  const id = `field-${++count}`
  control.id = id
  if (hint !== undefined) control.setAttribute("aria-describedby", `${id}-hint`)
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint === undefined ? undefined : h("p", { class: "hint", id: `${id}-hint` }, hint)
  )
}

export const checkbox = (
  label: string,
  checked: boolean
): { readonly row: HTMLElement; readonly box: HTMLInputElement } => {
  const id = `field-${++count}`
  const box = h("input", { type: "checkbox", id, checked })
  return { box, row: h("p", { class: "check" }, box, h("label", { for: id }, label)) }
}

export const select = (
  options: ReadonlyArray<readonly [value: string, name: string]>,
  chosen: string
): HTMLSelectElement =>
  h("select", {}, options.map(([value, name]) => h("option", { value, selected: value === chosen }, name)))

/** An input for a namespace that offers those in use, once they are known. */
export const namespaceInput = (
  value: string,
  signal: AbortSignal
): { readonly input: HTMLInputElement; readonly list: HTMLElement } => {
  const id = `namespaces-${++count}`
  const list = h("datalist", { id })
  const input = h("input", { type: "text", list: id, autocomplete: "off", spellcheck: "false", value })
  void ask("/namespaces", { signal }).then(({ body }) => {
    list.replaceChildren(...records(body["namespaces"]).map((each) => h("option", { value: text(each["namespace"]) })))
  }, () => undefined)
  return { input, list }
}

/** What was sent by Enter or its button. While it is under way it is not sent once more. */
export const onSubmit = (form: HTMLFormElement, run: () => Promise<void>): void => {
  let isUnderWay = false
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (isUnderWay) return
    isUnderWay = true
    form.setAttribute("aria-busy", "true")
    void run().finally(() => {
      isUnderWay = false
      form.removeAttribute("aria-busy")
    })
  })
}

/** A button that does one thing at a time. */
export const action = (name: string, run: () => Promise<void>, attributes: Parameters<typeof button>[2] = {}) => {
  let isUnderWay = false
  const made = button(name, () => {
    if (isUnderWay) return
    isUnderWay = true
    made.setAttribute("aria-disabled", "true")
    void run().finally(() => {
      isUnderWay = false
      made.removeAttribute("aria-disabled")
    })
  }, attributes)
  return made
}

/** Links to the page before and after, where there are any. */
export const pager = (options: {
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
  readonly offset: number
  readonly limit: number
  readonly count: number
  readonly isTruncated: boolean
}): Child => {
  const { count: shown, isTruncated, limit, name, offset, parameters } = options
  const link = (words: string, to: number) =>
    h("a", { href: `#/${name}${query({ ...parameters, offset: to === 0 ? "" : to })}` }, words)
  const before = offset > 0 ? link("Previous page", Math.max(0, offset - limit)) : undefined
  const after = shown >= limit || isTruncated ? link("Next page", offset + shown) : undefined
  return before === undefined && after === undefined
    ? undefined
    : h("nav", { class: "buttons", "aria-label": "Pages" }, before, after)
}
