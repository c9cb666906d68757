/** A namespace and those above it, the nearest first. */
export const namespacesFrom = (namespace: string): ReadonlyArray<string> => {
  const levels = namespace.split("/")
  return levels.map((_, index) => levels.slice(0, levels.length - index).join("/"))
}
