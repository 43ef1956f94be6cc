// What can be done with a run, from wherever it is listed.
import { api, type RunItem } from '@/lib/api'
import { data, idempotencyKey } from '@/lib/http'
import { toast } from '@/ui/toast'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'

/** Runs it again as it was, and goes to the new run. */
export function useRerun() {
  const queries = useQueryClient()
  const navigate = useNavigate()
  return useMutation({
    mutationFn: (run: Pick<RunItem, 'run_id'>) =>
      data(
        api.POST('/api/runs/{run_id}/rerun', { params: { path: { run_id: run.run_id }, header: idempotencyKey() } }),
      ),
    onSuccess: async ({ run_id }) => {
      void queries.invalidateQueries({ queryKey: ['overview'] })
      void queries.invalidateQueries({ queryKey: ['runs'] })
      await navigate({ to: '/runs/$id', params: { id: run_id } })
    },
    onError: (cause) => toast.failed('Running it again', cause),
  })
}

/** Stops a run. */
export function useCancel() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (run: Pick<RunItem, 'run_id'>) =>
      data(api.POST('/api/runs/{run_id}/cancel', { params: { path: { run_id: run.run_id } } })),
    onError: (cause) => toast.failed('Stopping the run', cause),
    onSettled: async (_answer, _cause, { run_id }) => {
      for (const queryKey of [['run', run_id], ['runs'], ['overview']]) await queries.invalidateQueries({ queryKey })
    },
  })
}
