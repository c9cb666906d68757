/** The commands in the order in which somebody new needs them; each stands in one of the groups. */
export const groups: ReadonlyArray<{ readonly title: string; readonly names: ReadonlyArray<string> }> = [
  { title: "Begin", names: ["serve", "install", "mcp", "doctor", "config"] },
  {
    title: "Memories",
    names: ["store", "recall", "search", "get", "list", "edit", "delete", "link", "namespaces", "stats"]
  },
  { title: "Many at once", names: ["import", "export", "move", "archive", "restore", "forget"] },
  { title: "Decide", names: ["conflicts", "pending", "dlq"] },
  { title: "Messages", names: ["notify", "inbox"] },
  { title: "Take back", names: ["provenance", "quarantine", "release", "revert"] },
  { title: "Guard", names: ["keys", "identity", "ca", "audit", "rules"] },
  { title: "This program", names: ["man"] }
]
