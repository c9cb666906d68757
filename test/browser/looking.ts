import { assert } from "@effect/vitest"
import { readFileSync } from "node:fs"
import type { Page } from "playwright-core"

/** The roles that nobody can use without a name. */
const NAMED =
  /^\s*- (button|link|textbox|searchbox|combobox|checkbox|spinbutton|dialog|alertdialog|region|table|form|navigation|meter|article|heading)(?: \[[^\]]*\])*:?$/

/** Everything that somebody listens to has a name, and the page its landmarks. */
export const isNamed = async (page: Page, where: string): Promise<void> => {
  const snapshot = await page.locator("body").ariaSnapshot()
  assert.deepStrictEqual(snapshot.split("\n").filter((line) => NAMED.test(line)), [], `${where}\n${snapshot}`)
  for (const landmark of ["banner", "navigation", "main", "heading"]) assert.include(snapshot, `- ${landmark}`, where)
}

/** Nothing has to be scrolled sideways. */
export const fits = async (page: Page, where: string): Promise<void> => {
  const beyond = await page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth")
  assert.isAtMost(beyond, 0, `${where} is wider than its window`)
}

const FAINT = readFileSync(new URL("./faint.mjs", import.meta.url), "utf8")

/** Every text stands out from its ground. */
export const isLegible = async (page: Page, where: string): Promise<void> => {
  assert.deepStrictEqual(await page.evaluate<ReadonlyArray<string>>(FAINT), [], where)
}
