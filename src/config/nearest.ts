import { slipsBetween } from "../domain/slips.js"

/** The known name that was most likely meant: equal but for case and separators, or few slips away. */
export const nearest = (given: string, known: Iterable<string>): string | undefined => {
  const plain = (name: string) => name.replaceAll(/[-_]/g, "").toLowerCase()
  const most = Math.max(1, Math.floor(plain(given).length / 4))
  let best: string | undefined
  let least = most + 1
  for (const name of known) {
    const slips = slipsBetween(plain(name), plain(given))
    if (slips < least) {
      best = name
      least = slips
    }
  }
  return best
}
