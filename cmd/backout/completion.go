package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// completionFilesCmd writes the completion of every shell to files, for packages; "completion SHELL" prints one.
func (a *app) completionFilesCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "completion-files", Short: "Write the completions of all shells into a directory", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usage("completion-files needs --dir")
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("write completions: %w", err)
			}
			root := cmd.Root()
			return errors.Join(
				root.GenBashCompletionFileV2(filepath.Join(dir, "backout.bash"), true),
				root.GenZshCompletionFile(filepath.Join(dir, "backout.zsh")),
				root.GenFishCompletionFile(filepath.Join(dir, "backout.fish"), true),
				root.GenPowerShellCompletionFileWithDesc(filepath.Join(dir, "backout.ps1")),
			)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "where to")
	return cmd
}
