/* What somebody wrote and has not sent stays while the tab is open, whatever else is looked at meanwhile. */

const drafts = new Map<string, ReadonlyMap<string, string>>()

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

/** Brings back what was written under this name, and keeps what is written from now on. Answers whether there was something. */
export const keep = (name: string, form: HTMLFormElement, controls: Readonly<Record<string, Control>>): boolean => {
  const kept = drafts.get(name)
  for (const [field, value] of kept ?? []) {
    const control = controls[field]
    if (control !== undefined) control.value = value
  }
  form.addEventListener("input", () => {
    drafts.set(name, new Map(Object.entries(controls).map(([field, { value }]) => [field, value])))
  })
  return kept !== undefined
}

export const drop = (name: string): void => void drafts.delete(name)

/** A browser asks before it closes a tab with something in it that was not sent. */
export const guard = (): void =>
  addEventListener("beforeunload", (event) => {
    if (drafts.size > 0) event.preventDefault()
  })
