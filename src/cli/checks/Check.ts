import { wordsOf } from "../../store/log/Sqlite.js"

/** How something stands: `warning` is to be looked at, `fault` keeps a node from what it promises. */
export type Status = "ok" | "warning" | "fault"

/** What was looked at, under a name that stays, and what was found. */
export interface Check {
  readonly name: string
  readonly status: Status
  /** In words for a person; nothing of what memories hold. */
  readonly detail: string
}

export const ok = (name: string, detail: string): Check => ({ name, status: "ok", detail })
export const warning = (name: string, detail: string): Check => ({ name, status: "warning", detail })
export const fault = (name: string, detail: string): Check => ({ name, status: "fault", detail })

/** A look that can not be had has met what it was to find. */
export const checked = (name: string, look: () => Check): Check => {
  try {
    return look()
  } catch (cause) {
    return fault(name, wordsOf(cause))
  }
}

/** The worst of all. */
export const worst = (checks: ReadonlyArray<Check>): Status =>
  (["fault", "warning"] as const).find((status) => checks.some((check) => check.status === status)) ?? "ok"
