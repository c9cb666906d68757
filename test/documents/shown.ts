import { isRecord } from "../mesh/Cluster.js"

/** Stands in a document for what is left out: at the end of an object or of a list. */
const MORE = "…"

/** JSON as a document shows it. */
export const parse = (text: string): unknown =>
  JSON.parse(
    text.replaceAll(/(,?)\s*…\s*([}\]])/g, (_, comma: string, end: string) =>
      end === "}" ? `${comma}"${MORE}":0}` : `${comma}"${MORE}"]`)
  )

/**
 * Where what is shown is not what was answered. Ids and moments are never the same twice: it is enough that they are some.
 * Where a document shows no `…` it shows all there is, and where it shows one there is more.
 */
export const differences = (shown: unknown, answered: unknown, at = "answer"): ReadonlyArray<string> => {
  if (Array.isArray(shown)) {
    if (!Array.isArray(answered)) return [`${at} is no list`]
    const items = shown.filter((item) => item !== MORE)
    const isCut = items.length < shown.length
    const fits = isCut ? answered.length > items.length : answered.length === items.length
    return [
      ...fits ? [] : [`${at} has ${answered.length} items`],
      ...items.flatMap((item, index) => differences(item, answered[index], `${at}[${index}]`))
    ]
  }
  if (isRecord(shown)) {
    if (!isRecord(answered)) return [`${at} is no object`]
    const names = Object.keys(shown).filter((name) => name !== MORE)
    const more = Object.keys(answered).filter((name) => !names.includes(name))
    const isCut = MORE in shown
    return [
      ...isCut === more.length > 0 ? [] : [`${at} has ${more.length === 0 ? "no more" : more.join(", ")}`],
      ...names.flatMap((name) => differences(shown[name], answered[name], `${at}.${name}`))
    ]
  }
  const [left, right] = [shown, answered].map((value) => typeof value === "string" ? anyOne(value) : value)
  return left === right ? [] : [`${at} is ${JSON.stringify(answered)}`]
}

const anyOne = (text: string): string =>
  text
    .replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, "<id>")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00/g, "<moment>")
