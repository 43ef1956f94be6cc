import { api, isActive, type Run } from '@/lib/api'
import { data, idempotencyKey } from '@/lib/http'
import { useCan } from '@/lib/me'
import { Button } from '@/ui/button'
import { AlertDialog } from '@/ui/dialog'
import { Menu } from '@/ui/menu'
import { toast } from '@/ui/toast'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { ChevronDown, Download, GitCompareArrows, RotateCw, Square } from 'lucide-react'
import { useState } from 'react'

/** What can be done with a run by those who may. */
export function RunActions({ run, onExport, onCompare }: { run: Run; onExport: () => void; onCompare: () => void }) {
  const may = useCan('runs.write')
  if (isActive(run)) return may ? <CancelRun run={run} /> : null
  return (
    <>
      {run.status === 'completed' && (
        <Button icon={<GitCompareArrows size={14} />} onClick={onCompare}>
          Compare
        </Button>
      )}
      {may && <RunAgain run={run} />}
      {run.status === 'completed' && (
        <Button look="primary" icon={<Download size={14} />} onClick={onExport}>
          Export
        </Button>
      )}
    </>
  )
}

function CancelRun({ run }: { run: Run }) {
  const queries = useQueryClient()
  return (
    <AlertDialog
      trigger={
        <Button icon={<Square size={13} />} aria-label="Cancel the run">
          Cancel
        </Button>
      }
      title="Cancel this run?"
      description="The engine stops within a second or so, and nothing of the run is kept. It can be run again from the beginning."
      action="Cancel the run"
      onConfirm={async () => {
        try {
          const now = await data(api.POST('/api/runs/{run_id}/cancel', { params: { path: { run_id: run.run_id } } }))
          queries.setQueryData(['run', run.run_id], now)
        } catch (cause) {
          toast.failed('Cancelling the run', cause)
          void queries.invalidateQueries({ queryKey: ['run', run.run_id] })
        }
      }}
    />
  )
}

function RunAgain({ run }: { run: Run }) {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  async function start(latest: boolean) {
    setBusy(true)
    try {
      const { run_id } = await data(
        api.POST('/api/runs/{run_id}/rerun', {
          params: { path: { run_id: run.run_id }, header: idempotencyKey() },
          body: { latest },
        }),
      )
      void queries.invalidateQueries({ queryKey: ['runs'] })
      await navigate({ to: '/runs/$id', params: { id: run_id } })
    } catch (cause) {
      toast.failed('Running again', cause)
    } finally {
      setBusy(false)
    }
  }
  const version = run.recipe_version
  if (version === undefined || version === 0)
    return (
      <Button icon={<RotateCw size={14} />} busy={busy} onClick={() => void start(false)}>
        Run again
      </Button>
    )
  return (
    <Menu
      trigger={
        <Button icon={<RotateCw size={14} />} busy={busy}>
          Run again
          <ChevronDown size={13} aria-hidden />
        </Button>
      }
      groups={[
        {
          items: [
            { label: `With the same recipe (version ${version})`, onSelect: () => void start(false) },
            { label: 'With its latest version', onSelect: () => void start(true) },
          ],
        },
      ]}
    />
  )
}
