package webhooks

import (
	"net/http"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// Routes are for the administrator.
func (p *Plugin) Routes() []plugin.Route {
	return []plugin.Route{
		{Pattern: "GET /api/webhooks/hooks", Handler: p.routeHooks, Summary: "How every webhook does (administrator)."},
		{Pattern: "POST /api/webhooks/hooks/{hook}/pause", Handler: p.routePause, Summary: "Let a webhook's deliveries wait (administrator)."},
		{Pattern: "POST /api/webhooks/hooks/{hook}/resume", Handler: p.routeResume, Summary: "Take a paused or disabled webhook up again (administrator)."},
		{Pattern: "POST /api/webhooks/hooks/{hook}/test", Handler: p.routeTest, Summary: "Send a test delivery to a webhook (administrator)."},
		{Pattern: "POST /api/webhooks/deliveries/{id}/replay", Handler: p.routeReplayOne, Summary: "Replay a delivery that failed for good (administrator)."},
		{Pattern: "POST /api/webhooks/replay", Handler: p.routeReplay, Summary: "Replay the failed deliveries that match (administrator)."},
	}
}

func (p *Plugin) routeHooks(w http.ResponseWriter, r *http.Request) error {
	hooks, err := p.Hooks(r.Context())
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, map[string]any{"hooks": hooks})
}

func (p *Plugin) routePause(w http.ResponseWriter, r *http.Request) error {
	return p.answerStatus(w, r, p.Pause(r.Context(), r.PathValue("hook")))
}

func (p *Plugin) routeResume(w http.ResponseWriter, r *http.Request) error {
	return p.answerStatus(w, r, p.Resume(r.Context(), r.PathValue("hook")))
}

func (p *Plugin) answerStatus(w http.ResponseWriter, r *http.Request, err error) error {
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, p.byName[r.PathValue("hook")].status())
}

func (p *Plugin) routeTest(w http.ResponseWriter, r *http.Request) error {
	result, err := p.Test(r.Context(), r.PathValue("hook"))
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, result)
}

func (p *Plugin) routeReplayOne(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		To string `json:"to"`
	}
	if err := plugin.Decode(r, &in); err != nil {
		return err
	}
	id := r.PathValue("id")
	err := p.db.Update(r.Context(), func(tx *store.Tx) error {
		row, err := p.delivery(tx, id)
		if err != nil {
			return err
		}
		return p.replay(tx, row, in.To)
	})
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, map[string]int{"replayed": 1})
}

func (p *Plugin) routeReplay(w http.ResponseWriter, r *http.Request) error {
	var s Selection
	if err := plugin.Decode(r, &s); err != nil {
		return err
	}
	did, err := p.Replay(r.Context(), s)
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, did)
}
