import { afterEach, describe, expect, it } from 'vitest'
import type { InteractionUseCases } from '../../api/deps.ts'
import { AppError } from '../../internal/errors.ts'
import type { Interaction } from '../../internal/interaction/interaction.ts'
import { apiDeps } from '../support/api-deps.ts'
import { anEvent, anInteraction, aQuestion, INTERACTION_ID, RUN_ID } from '../support/api-values.ts'
import { type Client, Feed, serve } from '../support/api-websocket.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const { deps } = apiDeps()

/** A server whose runs have these interactions open. */
function serving(pending: InteractionUseCases['pending'], feed = new Feed()) {
  return serve(cleanups, feed, { interactions: { ...deps.interactions, pending } })
}

const subscribe = (client: Client, more: object = {}) =>
  client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID, ...more } })

const asked = (seq: number) =>
  anEvent(seq, {
    interaction: {
      interaction_id: INTERACTION_ID,
      kind: 'permission',
      status: 'pending',
      tool_name: 'write',
      decision: null,
      decided_by: null,
      reason: null,
    },
  })

describe('SUBSCRIBED', () => {
  it('shows the open interactions in the shape of REST', async () => {
    const { app, connect } = await serving(async () => [anInteraction(), aQuestion()])
    const client = await connect()

    subscribe(client)

    const overRest = (await app.inject(`/api/v1/runs/${RUN_ID}/interactions`)).json().interactions
    expect(overRest).toHaveLength(2)
    expect(await client.next()).toMatchObject({
      type: 'SUBSCRIBED',
      subscribed: { pending_interactions: overRest },
    })
  })

  it('shows those of the moment at every subscription', async () => {
    const open: Interaction[][] = [[anInteraction()], []]
    const { connect } = await serving(async () => open.shift() ?? [])
    const client = await connect()

    subscribe(client)
    expect(await client.next()).toMatchObject({
      subscribed: { pending_interactions: [{ id: INTERACTION_ID }] },
    })
    subscribe(client)
    expect(await client.next()).toMatchObject({ subscribed: { pending_interactions: [] } })
  })

  it('reads them after the attach, so that what comes later comes as an event', async () => {
    const steps: string[] = []
    const feed = new Feed()
    feed.before = () => void steps.push('attach')
    const gate = Promise.withResolvers<readonly Interaction[]>()
    const reading = Promise.withResolvers<void>()
    const { connect } = await serving(() => {
      steps.push('pending')
      reading.resolve()
      return gate.promise
    }, feed)
    const client = await connect()

    client.sendText(JSON.stringify({ type: 'subscribe', payload: { runId: RUN_ID } }))
    await reading.promise
    // Asked while the list is being read: it is not in the list.
    const delivered = feed.watches[0]?.deliver([asked(3)])
    gate.resolve([])

    expect(steps).toEqual(['attach', 'pending'])
    expect(await client.next()).toMatchObject({
      type: 'SUBSCRIBED',
      subscribed: { from: 3, pending_interactions: [] },
    })
    expect(await client.next()).toMatchObject({
      type: 'RUN_EVENT',
      sequence: 3,
      run_event: { interaction: { interaction_id: INTERACTION_ID } },
    })
    await delivered
  })

  it('does not come when they cannot be read, and the watch is given back', async () => {
    const { connect, feed } = await serving(async () => {
      throw new AppError('DATABASE_CONNECTION', 'The database cannot be reached.')
    })
    const client = await connect()

    subscribe(client)

    expect(await client.next()).toMatchObject({
      type: 'ERROR',
      run_id: RUN_ID,
      error: { code: 'DATABASE_CONNECTION' },
    })
    expect(feed.closed).toBe(1)
    // Nobody is left waiting for a SUBSCRIBED that will not come.
    await feed.watches[0]?.deliver([asked(3)])
    expect(await client.untilPong()).toEqual([])
  })

  it('does not come after an UNSUBSCRIBE that came while they were read', async () => {
    const gate = Promise.withResolvers<readonly Interaction[]>()
    const reading = Promise.withResolvers<void>()
    const { connect, feed } = await serving(() => {
      reading.resolve()
      return gate.promise
    })
    const client = await connect()

    subscribe(client)
    await reading.promise
    client.send('UNSUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.untilPong()
    expect(feed.closed).toBe(1)
    gate.resolve([anInteraction()])
    await feed.watches[0]?.deliver([asked(3)])

    expect(await client.untilPong()).toEqual([])
  })
})
