/** The end of `--help`. */
export const EXIT_CODES = `
Exit codes:
  0    done
  64   the command line or the request is wrong; nothing was changed
  65   an integrity check failed: a header, a digest, the journal, verify, recover
  66   not found: an instance, a disk, an image, a secret
  69   known, but this host cannot do it; nothing was changed
  70   internal error
  73   conflict: it exists already, or somebody else uses it
  74   an external program failed
  75   a service, a program or space is missing now; try again later
  77   permission denied
  78   the configuration, a plugin or the state directory is wrong
  130  cancelled; what was begun was undone`;
