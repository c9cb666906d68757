/*
 * Elements are made here and nowhere else. A text goes in as a text: nothing that a memory has in it becomes markup, and the
 * content security policy lets nothing else happen.
 */

/** What may stand in an element; nothing at all where there is nothing to show. */
export type Child = Node | string | undefined | ReadonlyArray<Child>

/** Attributes of an element: `true` for one without a value, `false` and undefined for none. */
interface Attributes {
  readonly [name: string]: string | number | boolean | undefined
}

/** An element with its attributes and what is in it. */
export const h = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    element.setAttribute(name, value === true ? "" : String(value))
  }
  element.append(...flat(children))
  return element
}

/** Puts something else into an element. */
export const fill = (element: Element, ...children: ReadonlyArray<Child>): void =>
  element.replaceChildren(...flat(children))

const flat = (children: ReadonlyArray<Child>): ReadonlyArray<Node | string> =>
  children.flatMap((child) =>
    child === undefined ? [] : typeof child === "string" || child instanceof Node ? [child] : flat(child)
  )

/** A button with what it does. */
export const button = (
  name: string,
  onPress: () => void,
  attributes: Attributes = {}
): HTMLButtonElement => {
  const made = h("button", { type: "button", ...attributes }, name)
  made.addEventListener("click", onPress)
  return made
}
