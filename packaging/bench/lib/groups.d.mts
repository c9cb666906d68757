import type { Group } from "./comparison.mjs"
import type { Measured } from "./goals.mjs"

export const of: (measured: Measured) => ReadonlyArray<Group>
