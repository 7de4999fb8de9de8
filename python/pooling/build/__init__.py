"""What every stage stands on: errors, the command line, files that are whole or absent, a cache and
a manifest of results, the environment and CmdStan. Nothing of radon, Stan programs or fits."""
