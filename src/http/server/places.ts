import * as Option from "effect/Option"
import type { Settings } from "../../config/NodeConfig.js"
import type { Need } from "../contract/access.js"
import { FLAGS } from "./tls.js"

/** Where a node listens, by what it shows itself there, and whom it serves. */
export interface Place
  extends Pick<Settings, "host" | "port" | "tlsCert" | "tlsKey" | "mtlsAllowlist" | "mtlsClientCa" | "trustDomain">
{
  /** What it is called in metrics and logs. */
  readonly name: "clients" | "peers"
  /** Whether a route is there, by what a key must open for it; undefined for what is no route. */
  readonly serves: (need: Need | undefined) => boolean
  /** Of whom certificates are asked: of all that connect, or of those alone that speak as nodes. */
  readonly asks: "all" | "peers"
  /** The flag by which a setting of TLS was given. */
  readonly flagOf: (name: keyof typeof FLAGS) => string
}

/** Where clients come, and nodes as well unless they have a place of their own. */
export const ofClients = (settings: Settings): Place => {
  const { host, mtlsAllowlist, mtlsClientCa, mtlsScope, peerListen, port, tlsCert, tlsKey, trustDomain } = settings
  const isAlone = Option.isNone(peerListen)
  const isAsked = isAlone || mtlsScope === "all"
  return {
    host,
    port,
    tlsCert,
    tlsKey,
    mtlsAllowlist: isAsked ? mtlsAllowlist : Option.none(),
    mtlsClientCa: isAsked ? mtlsClientCa : Option.none(),
    trustDomain,
    asks: mtlsScope,
    flagOf: (name) => FLAGS[name],
    name: "clients",
    serves: (need) => isAlone || need !== "peer"
  }
}

/** Where nodes come, if that is another place. What it has no setting for there is as for clients. */
export const ofPeers = (settings: Settings): Option.Option<Place> =>
  Option.map(settings.peerListen, ({ host, port }) => ({
    host,
    port,
    tlsCert: Option.orElse(settings.peerTlsCert, () => settings.tlsCert),
    tlsKey: Option.orElse(settings.peerTlsKey, () => settings.tlsKey),
    mtlsAllowlist: Option.orElse(settings.peerMtlsAllowlist, () => settings.mtlsAllowlist),
    mtlsClientCa: settings.mtlsClientCa,
    trustDomain: settings.trustDomain,
    asks: "all",
    flagOf: (name) => Option.isSome(ownOf(settings)[name]) ? FLAGS[name].replace("--", "--peer-") : FLAGS[name],
    name: "peers",
    serves: (need) => need === "peer" || need === "open"
  }))

/** What was set for nodes alone. */
const ownOf = ({ peerMtlsAllowlist, peerTlsCert, peerTlsKey }: Settings) => ({
  tlsCert: peerTlsCert,
  tlsKey: peerTlsKey,
  mtlsAllowlist: peerMtlsAllowlist,
  mtlsClientCa: Option.none<string>()
})
