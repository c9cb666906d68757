// How a large folder is divided: its wings (the folders in it), and what leads from one to the other.
import * as Graph from "./graph.mjs"

export const LARGE = ["store", "federation", "operations", "http"]

/**
 * The plan of a folder: each wing is one node, and so is each file that lies beside them. With no wings these are the files
 * themselves.
 */
export const planOf = (graph, folder) => {
  const prefix = `src/${folder}/`
  const files = Graph.within(graph, (path) => path.startsWith(prefix))
  const nameOf = (path) => {
    const [first, ...rest] = path.slice(prefix.length).split("/")
    return rest.length === 0 ? first : `${first}/`
  }
  return { files, plan: Graph.grouped(files, nameOf) }
}

const mostSideBySide = (paths) => {
  const counts = new Map()
  for (const path of paths) {
    const place = path.slice(0, path.lastIndexOf("/"))
    counts.set(place, (counts.get(place) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values())
}

/** The figures of a folder. */
export const measure = (graph, folder) => {
  const { files, plan } = planOf(graph, folder)
  return {
    folder,
    files: files.size,
    wings: [...plan.keys()].filter((name) => name.endsWith("/")).length,
    sideBySide: mostSideBySide(files.keys()),
    arrows: Graph.arrows(plan).length,
    fileArrows: Graph.arrows(files).length,
    floors: Graph.floors(files),
    circles: Graph.circles(plan)
  }
}
