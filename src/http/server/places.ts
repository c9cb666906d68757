import * as Option from "effect/Option"
import type { Settings } from "../../config/NodeConfig.js"
import type { Need } from "../contract/access.js"

/** Where a node listens, by what it shows itself there, and whom it serves. */
export interface Place extends Pick<Settings, "host" | "port" | "tlsCert" | "tlsKey" | "mtlsAllowlist"> {
  /** What it is called in metrics and logs. */
  readonly name: "clients" | "peers"
  /** Whether a route is there, by what a key must open for it; undefined for what is no route. */
  readonly serves: (need: Need | undefined) => boolean
}

/** Where clients come, and nodes as well unless they have a place of their own. */
export const ofClients = (settings: Settings): Place => {
  const { host, mtlsAllowlist, peerListen, port, tlsCert, tlsKey } = settings
  const isAlone = Option.isNone(peerListen)
  return { host, port, tlsCert, tlsKey, mtlsAllowlist, name: "clients", serves: (need) => isAlone || need !== "peer" }
}

/** Where nodes come, if that is another place. What it has no setting for there is as for clients. */
export const ofPeers = (settings: Settings): Option.Option<Place> =>
  Option.map(settings.peerListen, ({ host, port }) => ({
    host,
    port,
    tlsCert: Option.orElse(settings.peerTlsCert, () => settings.tlsCert),
    tlsKey: Option.orElse(settings.peerTlsKey, () => settings.tlsKey),
    mtlsAllowlist: Option.orElse(settings.peerMtlsAllowlist, () => settings.mtlsAllowlist),
    name: "peers",
    serves: (need) => need === "peer" || need === "open"
  }))
