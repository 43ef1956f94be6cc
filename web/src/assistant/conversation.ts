// A conversation, out of what was read of it and its events since.
import type { Schema } from '@/lib/api'

export type Session = Schema<'ChatSession'>
export type Detail = Schema<'ChatDetail'>
export type Said = Schema<'AgentSaid'>
export type Card = Schema<'AgentCard'>
export type Click = Omit<Schema<'AgentClick'>, 'card_id'>
export type ChatEvent = Schema<'ChatEvent'>

/** A message that is being written. */
export interface Draft {
  id: string
  text: string
  /** What the assistant is doing: "Look at the source". */
  doing: string | undefined
}

export interface Conversation {
  session: Session
  /** Oldest first: their ids sort by time. */
  said: readonly Said[]
  draft: Draft | undefined
  /** The number of the last event that is in it. */
  seq: number
}

/** A conversation as it was read. */
export function conversationOf({ messages, ...session }: Detail): Conversation {
  return { session, said: messages ?? [], draft: undefined, seq: session.last_event }
}

/** What a conversation is after what was read of it again: that may be older than its events. */
export function reread(was: Conversation | undefined, detail: Detail): Conversation {
  const fresh = conversationOf(detail)
  if (!was) return fresh
  if (was.seq >= fresh.seq) return was
  return { ...fresh, draft: live(was.draft, fresh) }
}

/**
 * After which event to follow a conversation. One that is being answered is followed from its beginning: of the pieces of
 * messages the server keeps those of the one that is being written, and nothing but its events holds it.
 */
export function followFrom({ session, draft, seq }: Conversation): number {
  return session.status === 'working' && draft === undefined ? 0 : seq
}

/** What a conversation is after an event. */
export function after(c: Conversation, event: ChatEvent): Conversation {
  if (event.kind === 'delta') return event.delta ? { ...c, ...written(c, event.delta), seq: later(c, event) } : c
  if (event.seq <= c.seq) return c
  const next = { ...c, seq: event.seq }
  if (event.session) next.session = event.session
  if (event.message) next.said = placed(c.said, event.message)
  if (event.removed) {
    const gone = new Set(event.removed)
    next.said = c.said.filter(({ id }) => !gone.has(id))
    if (c.draft && gone.has(c.draft.id)) next.draft = undefined
  }
  next.draft = live(next.draft, next)
  return next
}

const later = (c: Conversation, event: ChatEvent) => Math.max(c.seq, event.seq)

// A message is written only until a later one is there, and only while somebody answers.
function live(draft: Draft | undefined, { session, said }: Pick<Conversation, 'session' | 'said'>): Draft | undefined {
  return draft && session.status === 'working' && draft.id > (said.at(-1)?.id ?? '') ? draft : undefined
}

function written(
  c: Conversation,
  { message_id: id, text = '', tool }: Schema<'ChatDelta'>,
): Pick<Conversation, 'draft'> {
  const was = c.draft?.id === id ? c.draft : undefined
  return {
    draft: live({ id, text: (was?.text ?? '') + text, doing: tool ?? (text === '' ? was?.doing : undefined) }, c),
  }
}

function placed(said: readonly Said[], message: Said): Said[] {
  const at = said.findIndex(({ id }) => id >= message.id)
  if (at < 0) return [...said, message]
  return [...said.slice(0, at), message, ...said.slice(said[at]?.id === message.id ? at + 1 : at)]
}

/** The cards of a message, those of a kind that belong together in one list. */
export function grouped(cards: readonly Card[]): Card[][] {
  const out: Card[][] = []
  const rules = cards.some((card) => card.kind === 'rule_summary' && card.open)
  for (const card of cards) {
    // The list of rules has that button itself.
    if (rules && card.choice?.options?.every(({ id }) => id === 'agreed')) continue
    const last = out.at(-1)
    if (last?.[0]?.kind === card.kind && (card.kind === 'match_proposal' || card.kind === 'confirm')) last.push(card)
    else out.push([card])
  }
  return out
}

/** The question to ask again: its answer, the last message, broke off or is not that of the model that there is. */
export function unanswered({ session, said }: Conversation): Said | undefined {
  const [question, answer] = said.slice(-2)
  if (question?.role !== 'user' || answer?.role !== 'assistant') return undefined
  return answer.partial === true || (session.model && !answer.by) ? question : undefined
}

/** All tokens that a conversation has used, as its budget counts them. */
export function spentTokens({ input, output, cache_read, cache_write }: Session['spent']): number {
  return input + output + cache_read + cache_write
}

/** A key in words: "INV-17", or "2026 · 17" of several columns. */
export function keyText(key: Record<string, string>): string {
  return Object.values(key).join(' · ')
}

/** Which of the rules a person has unchecked, beside those that were dropped before. */
export function dropped(rules: readonly Schema<'AgentRule'>[], off: ReadonlySet<string>): string[] {
  return rules.filter((rule) => !rule.dropped && off.has(rule.id)).map(({ id }) => id)
}
