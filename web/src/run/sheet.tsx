import type { Run, Schema } from '@/lib/api'
import { Button } from '@/ui/button'
import { Sheet } from '@/ui/dialog'
import { Link } from '@tanstack/react-router'
import { Maximize2 } from 'lucide-react'
import { useEffect, useEffectEvent } from 'react'
import { Steps, useNeighbours } from './beside'
import type { Manifest } from './manifest'
import { Outcome, RecordView, titleOf } from './record'
import { writeView, type RecordRef, type View } from './search'

/** A record beside the table it is of. Keys: [ and ], or k and j, go to the one before and after. */
export function RecordSheet({
  run,
  summary,
  manifest,
  view,
  onView,
}: {
  run: Run
  summary: Schema<'Summary'>
  manifest: Manifest
  view: View & { record: RecordRef }
  onView: (view: View, replace?: boolean) => void
}) {
  const { record } = view
  const id = run.run_id
  const neighbours = useNeighbours(run, summary, manifest, view)
  const step = (by: -1 | 1, to: RecordRef) => onView({ ...view, record: to, at: (view.at ?? 0) + by }, true)
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const target = event.target as HTMLElement
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return
    const back = event.key === '[' || event.key === 'k'
    const to = back ? neighbours.before : event.key === ']' || event.key === 'j' ? neighbours.after : undefined
    if (!to) return
    event.preventDefault()
    step(back ? -1 : 1, to)
  })
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event)
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [])
  return (
    <Sheet
      open
      onOpenChange={(open) => open || onView({ ...view, record: undefined }, true)}
      title={titleOf(manifest, record)}
      wide
    >
      <div className="mb-4 flex items-center gap-2">
        <Outcome id={id} record={record} />
        <span className="flex-1" />
        {view.at !== undefined && <Steps neighbours={neighbours} step={step} />}
        <Button asChild small>
          <Link
            to="/runs/$id/records/$side/$key"
            params={{ id, side: record.side, key: record.key }}
            search={writeView({ ...view, record: undefined }) as never}
          >
            <Maximize2 size={13} aria-hidden />
            Open as a page
          </Link>
        </Button>
      </div>
      <RecordView key={`${record.side}/${record.key}`} id={id} manifest={manifest} record={record} />
    </Sheet>
  )
}
