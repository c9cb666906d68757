import * as fs from "node:fs"

/** Which file stands under a name, in text of one width; null when none does that can be looked at. */
export const identityOf = (name: string): string | null => {
  try {
    const found = fs.statSync(name, { bigint: true, throwIfNoEntry: false })
    return found === undefined ? null : `${padded(found.dev)} ${padded(found.ino)}`
  } catch {
    return null
  }
}

/** As long as the longest number there is. */
export const padded = (value: number | bigint): string => String(value).padStart(20)
