package host

import (
	"github.com/orkee/orkee-jupyter/engine/internal/assemble"
	"github.com/orkee/orkee-jupyter/engine/internal/settings"
)

// Purge removes the engine's state, and the mirror's images if asked to. Most of
// it belongs to ids whose files the user can't remove but in a user namespace.
func Purge(config *settings.Config, images bool) error {
	id, err := identify()
	if err != nil {
		return err
	}
	held, err := lock(config)
	if err != nil {
		return err
	}
	defer held.Close()
	plan := assemble.Plan{Config: config, Remove: []string{config.StateDir}}
	if images && config.RegistryDir != "" {
		plan.Remove = append(plan.Remove, config.RegistryDir)
	}
	cmd, err := Assemble(id, plan)
	if err != nil {
		return err
	}
	return cmd.Wait()
}
