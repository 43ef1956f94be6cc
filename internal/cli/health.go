package cli

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"kalla"
)

// healthTimeout is how long an answer may take that counts as health.
const healthTimeout = 5 * time.Second

// healthCommand asks a running service whether it is well: what a container's
// health check calls, where the image has no curl.
func (c *command) healthCommand(example string) *cobra.Command {
	return &cobra.Command{
		Use:     "health URL",
		Short:   "Ask a running service whether it is well",
		Long:    "Asks URL and ends with exit code 0 when the answer is 200, with 4 otherwise. For health checks of containers.",
		Example: "  " + string(c.program) + " health " + example,
		Args:    exactArgs("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			fail := func(why string, err error) error {
				return &kalla.Error{Code: kalla.CodeSource, Op: "asking for health", Where: args[0], Why: why, Err: err}
			}
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, args[0], http.NoBody)
			if err != nil {
				return &kalla.Error{Code: kalla.CodeUsage, Op: "asking for health", Why: "this is not a URL", Hint: "write " + example, Err: err}
			}
			resp, err := (&http.Client{Timeout: healthTimeout}).Do(req)
			if err != nil {
				return fail("nothing answers", err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // what is missing of it is only missing in the message
			if resp.StatusCode != http.StatusOK {
				return fail(fmt.Sprintf("%s: %s", resp.Status, body), nil)
			}
			return nil
		},
	}
}
