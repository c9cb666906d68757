import type { Language } from "./languages.js"

/** The languages of namespaces for which one was named. What stands below such a namespace has it as well. */
export type NamespaceLanguages = ReadonlyMap<string, Language>

/** That of the nearest namespace on the way up; undefined where none has one. */
export const languageIn = (languages: NamespaceLanguages, namespace: string): Language | undefined => {
  if (languages.size === 0) return undefined
  for (let end = namespace.length; end > 0; end = namespace.lastIndexOf("/", end - 1)) {
    const language = languages.get(namespace.slice(0, end))
    if (language !== undefined) return language
  }
  return undefined
}
