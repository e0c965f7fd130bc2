/**
 * The Worker that the contract is checked on, inside the real runtime.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Bindings from "../../src/durable/Bindings.ts"
import * as DirectoryObject from "../../src/durable/DirectoryObject.ts"
import * as DurableDirectory from "../../src/durable/DurableDirectory.ts"
import * as DurableRooms from "../../src/durable/DurableRooms.ts"
import * as ObjectContext from "../../src/durable/ObjectContext.ts"
import * as RoomObject from "../../src/durable/RoomObject.ts"
import * as InspectorRoom from "../../src/inspector/InspectorRoom.ts"
import * as Awake from "../../src/services/Awake.ts"
import type * as Entries from "../../src/services/Entries.ts"
import { Diary, DiaryLive } from "../contract/Diary.ts"
import { Gate, GateLive } from "../contract/Gate.ts"
import { Glass, GlassLive } from "../contract/Glass.ts"
import { Inn, InnLive } from "../contract/Inn.ts"
import { Ledger, LedgerLive } from "../contract/Ledger.ts"

import { Court, CourtLive, type Fate, Hall, HallLive } from "../contract/Hall.ts"
import { Lobby, LobbyLive, MoodLive, Purse } from "../contract/Lobby.ts"
import { MigratedLive } from "../contract/Migrated.ts"
import { Probe, ProbeLive } from "../contract/Probe.ts"
import { Sleeper, SleeperLive } from "../contract/Sleeper.ts"
import { Tea, TeaLive } from "../contract/Tea.ts"
import { Traced, TracedLive, UntracedLive } from "../contract/Traced.ts"
import { Ticker, TickerLive } from "../rpc/Ticker.ts"
import type { FlakyRoom } from "./flaky.ts"
import { plain } from "./listeners.ts"
import type { AwakeStormRoom, StormRoom } from "./storm.ts"

export { FlakyRoom } from "./flaky.ts"
export { AwakeRoom, EchoRoom } from "./listeners.ts"
export { AwakeStormRoom, StormRoom } from "./storm.ts"

export class DiaryRoom extends RoomObject.make(Diary, DiaryLive) {}

export class InnRoom extends RoomObject.make(Inn, InnLive) {}

export class GateRoom extends RoomObject.make(Gate, GateLive) {}

export class LedgerRoom extends RoomObject.make(Ledger, LedgerLive) {}

const DirectoryLive = DurableDirectory.layer("DIRECTORY")

export class HallRoom extends RoomObject.make(Hall, Layer.provide(HallLive, DirectoryLive)) {}

export class CourtRoom extends RoomObject.make(Court, Layer.provide(CourtLive, DirectoryLive)) {}

/** What all objects of the directory meet. */
export const fate: Fate = { isAway: false, writes: [] }

const present = () => {
  if (fate.isAway) throw new Error("The directory is away.")
}

export class HallDirectory extends DirectoryObject.make() {
  override put(room: string, since: number) {
    present()
    fate.writes.push(["put", room])
    return super.put(room, since)
  }

  override remove(room: string, since: number) {
    present()
    fate.writes.push(["remove", room])
    return super.remove(room, since)
  }

  override page(options: Entries.PageOptions) {
    present()
    return super.page(options)
  }
}

/** How often the object of each glass room was made in this isolate, by its name. */
export const lives = new Map<string, number>()

const counted = Layer.effectDiscard(
  Effect.map(ObjectContext.ObjectContext, ({ id }) => void lives.set(id.name!, (lives.get(id.name!) ?? 0) + 1))
)

export class GlassRoom extends RoomObject.make(
  Glass,
  Awake.watch(Glass, Layer.provide(GlassLive, DurableRooms.layer(InspectorRoom.InspectorRoom, "GLASS_INSPECTOR"))).pipe(
    Layer.merge(counted)
  )
) {}

export class GlassInspector extends RoomObject.make(
  InspectorRoom.InspectorRoom,
  Awake.watch(InspectorRoom.InspectorRoom, InspectorRoom.layer)
) {}

export class ProbeRoom extends RoomObject.make(Probe, ProbeLive) {}

export class MigratedRoom extends RoomObject.make(Probe, MigratedLive) {}

export class TracedRoom extends RoomObject.make(Traced, TracedLive) {}

export class UntracedRoom extends RoomObject.make(Traced, UntracedLive) {}

export class SleeperRoom extends RoomObject.make(Sleeper, Awake.watch(Sleeper, SleeperLive)) {}

/** The same rooms as in production: nobody watches them. */
export class UnwatchedRoom extends RoomObject.make(Sleeper, SleeperLive) {}

export class TeaRoom extends RoomObject.make(Tea, Awake.watch(Tea, TeaLive)) {}

// Starts once, and is broken ever after.
const FailsLater = Layer.unwrap(Effect.gen(function*() {
  const ctx = yield* ObjectContext.ObjectContext
  if (ctx.storage.kv.get("started") === true) return Layer.effectDiscard(Effect.fail("the database is gone"))
  ctx.storage.kv.put("started", true)
  return ProbeLive
}))

export class TickerRoom extends RoomObject.make(Ticker.room, TickerLive) {}

export class BrokenRoom extends RoomObject.make(Probe, FailsLater) {}

const withPurse = <E>(purse: Layer.Layer<Purse, E, Bindings.Bindings | ObjectContext.ObjectContext>) =>
  class extends RoomObject.make(Lobby, LobbyLive.pipe(Layer.provideMerge(purse), Layer.merge(MoodLive))) {
    /** The whole object goes away, as in a crash. */
    crash(): void {
      this.ctx.abort("The object crashed.")
    }
  }

export class LobbyRoom extends withPurse(Purse.layer) {}

export class BrokenLobbyRoom extends withPurse(Purse.broken) {}

/** Its purse is filled from the variables and secrets of the environment. */
export class RichLobbyRoom extends withPurse(
  Layer.effect(
    Purse,
    Effect.gen(function*() {
      const coins = yield* Config.Int("coins").pipe(Config.nested("PURSE"))
      const secret = yield* Config.Redacted("SECRET")
      const { LOBBY } = yield* Bindings.Bindings
      return { coins: coins + Redacted.value(secret).length + LOBBY.idFromName("x").toString().length }
    })
  ).pipe(Layer.provide(Bindings.config))
) {}

/** Its purse takes a while to find; where the room is called `lost` it is not found. */
export class SlowLobbyRoom extends withPurse(
  Layer.effect(
    Purse,
    Effect.gen(function*() {
      const { id } = yield* ObjectContext.ObjectContext
      yield* Effect.sleep(30)
      return id.name === "lost" ? yield* Effect.fail("the purse is lost") : { coins: 3 }
    })
  )
) {}

/** Without more ado a `Config` is read from the process's environment. */
export class ThriftyLobbyRoom extends withPurse(
  Layer.effect(Purse, Effect.map(Config.Redacted("SECRET"), (secret) => ({ coins: Redacted.value(secret).length })))
) {}

declare global {
  namespace Cloudflare {
    interface Env {
      readonly CONNECTS: RateLimit
      readonly NEW_ROOMS: RateLimit
      readonly GLASS: DurableObjectNamespace<GlassRoom>
      readonly GLASS_INSPECTOR: DurableObjectNamespace<GlassInspector>
      readonly HALL: DurableObjectNamespace<HallRoom>
      readonly COURT: DurableObjectNamespace<CourtRoom>
      readonly DIRECTORY: DurableObjectNamespace<HallDirectory>
      readonly DIARY: DurableObjectNamespace<DiaryRoom>
      readonly INN: DurableObjectNamespace<InnRoom>
      readonly GATE: DurableObjectNamespace<GateRoom>
      readonly LEDGER: DurableObjectNamespace<LedgerRoom>
      readonly PROBE: DurableObjectNamespace<ProbeRoom>
      readonly MIGRATED: DurableObjectNamespace<MigratedRoom>
      readonly TRACED: DurableObjectNamespace<TracedRoom>
      readonly UNTRACED: DurableObjectNamespace<UntracedRoom>
      readonly BROKEN: DurableObjectNamespace<BrokenRoom>
      readonly TICKER: DurableObjectNamespace<TickerRoom>
      readonly SLEEPER: DurableObjectNamespace<SleeperRoom>
      readonly TEA: DurableObjectNamespace<TeaRoom>
      readonly UNWATCHED: DurableObjectNamespace<UnwatchedRoom>
      readonly AWAKE: DurableObjectNamespace
      readonly FLAKY: DurableObjectNamespace<FlakyRoom>
      readonly STORM: DurableObjectNamespace<StormRoom>
      readonly AWAKE_STORM: DurableObjectNamespace<AwakeStormRoom>
      readonly ECHO: DurableObjectNamespace
      readonly LOBBY: DurableObjectNamespace<LobbyRoom>
      readonly BROKEN_LOBBY: DurableObjectNamespace<BrokenLobbyRoom>
      readonly RICH_LOBBY: DurableObjectNamespace<RichLobbyRoom>
      readonly SLOW_LOBBY: DurableObjectNamespace<SlowLobbyRoom>
      readonly THRIFTY_LOBBY: DurableObjectNamespace<ThriftyLobbyRoom>
    }
  }
}

export type Env = Cloudflare.Env

export default { fetch: plain } satisfies ExportedHandler<Env>
