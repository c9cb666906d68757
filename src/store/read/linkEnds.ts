const known = (end: "source" | "target") => {
  const id = `json_extract(body, '$.${end}_id')`
  return `(EXISTS (SELECT 1 FROM memories m WHERE m.id = ${id}) OR EXISTS (SELECT 1 FROM aliases a WHERE a.id = ${id}))`
}

/** Of a row of `objects` that is a link, as SQL: neither of its memories was deleted, or has not arrived yet. */
export const linkEndsKnown = `${known("source")} AND ${known("target")}`
