import type { Goal, Met } from "./goals.mjs"

export const bounds: (goal: Goal) => ReadonlyArray<string>
export const render: (goals: ReadonlyArray<Met>) => string
