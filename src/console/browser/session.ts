/*
 * What this tab of the browser knows for as long as it is open: the key, and as whom its user writes. Nothing of it is kept
 * beyond that, sent anywhere but to this node, or put into an address.
 */

const KEY = "quorate.key"
const AGENT = "quorate.agent"
const QUIET = "quorate.quiet"

/** Where a browser keeps nothing for pages, it is kept here. */
const own = new Map<string, string>()

const read = (name: string): string => {
  try {
    return sessionStorage.getItem(name) ?? own.get(name) ?? ""
  } catch {
    return own.get(name) ?? ""
  }
}

const write = (name: string, value: string): void => {
  own.set(name, value)
  try {
    if (value === "") sessionStorage.removeItem(name)
    else sessionStorage.setItem(name, value)
  } catch {
    // It stays in the memory of the page.
  }
}

export const key = (): string => read(KEY)
export const setKey = (value: string): void => write(KEY, value)

/** Empty: whom the key speaks for, or nobody. */
export const agent = (): string => read(AGENT)
export const setAgent = (value: string): void => write(AGENT, value)

/** Whether single letters do something. */
export const areShortcutsOn = (): boolean => read(QUIET) === ""
export const setShortcuts = (on: boolean): void => write(QUIET, on ? "" : "yes")
