/**
 * A map that forgets what was not asked for of late: it keeps between half of `most` entries and all. A key that is cut out of a
 * text is copied by whoever sets it.
 */
interface Recent<Value> {
  readonly get: (key: string) => Value | undefined
  readonly set: (key: string, value: Value) => void
}

export const make = <Value>(most: number): Recent<Value> => {
  let young = new Map<string, Value>()
  let old = new Map<string, Value>()

  const set = (key: string, value: Value): void => {
    if (young.size >= most / 2) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }

  return {
    set,
    get: (key) => {
      const found = young.get(key)
      if (found !== undefined) return found
      const older = old.get(key)
      if (older !== undefined) set(key, older)
      return older
    }
  }
}

/** A slice of a text would keep all of it in memory. */
export const copyOf = (key: string): string => key.split("").join("")
