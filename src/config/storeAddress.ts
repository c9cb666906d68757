import * as Either from "effect/Either"

/** A database of PostgreSQL. */
export interface StoreAddress {
  /** As it was given. */
  readonly text: string
  /** One for each server, in the order in which they are tried, as `postgres://user@host:port/database?…`. */
  readonly servers: ReadonlyArray<string>
}

const FORM = /^(postgres(?:ql)?):\/\/(?:([^/?#@]*)@)?([^/?#@]+)(\/[^?#]*)?(\?[^#]*)?$/
const HOST = /^(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$/
/** Servers at most. */
const MAX_SERVERS = 16

/** What is wrong with an address never repeats it: a password may stand in it. */
export const parse = (text: string): Either.Either<StoreAddress, string> => {
  const [, scheme, user = "", hosts = "", path = "", query = ""] = FORM.exec(text) ?? []
  if (scheme === undefined) return Either.left("expected postgres://[user@]host[:port][,host…][/database][?parameters]")
  const parameters = new URLSearchParams(query)
  if (/:|%3a/i.test(user) || [...parameters.keys()].some((name) => /^(?:password|passfile)$/i.test(name))) {
    return Either.left("expected no password in it: give that by PGPASSFILE, or in ~/.pgpass")
  }
  const servers = hosts.split(",")
  if (servers.length > MAX_SERVERS) return Either.left(`expected at most ${MAX_SERVERS} servers`)
  if (!servers.every((server) => HOST.test(server))) {
    return Either.left("expected servers of the form host:port, separated by commas")
  }
  const wanted = parameters.get("target_session_attrs")
  if (wanted !== null && wanted !== "read-write") {
    return Either.left("expected target_session_attrs to be read-write: it is written to")
  }
  parameters.delete("target_session_attrs")
  const rest = parameters.size === 0 ? "" : `?${parameters.toString().replaceAll("+", "%20")}`
  const before = user === "" ? "" : `${user}@`
  return Either.right({ text, servers: servers.map((server) => `${scheme}://${before}${server}${path}${rest}`) })
}
