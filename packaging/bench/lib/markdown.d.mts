import type { Measured } from "./goals.mjs"

export interface Report {
  readonly conditions: Readonly<Record<string, string | number | boolean>>
  readonly measured: Measured
}
export const table: (rows: ReadonlyArray<ReadonlyArray<string>>) => string
export const merge: (runs: ReadonlyArray<Report>) => Measured
export const render: (runs: ReadonlyArray<Report>) => string
