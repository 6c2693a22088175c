/*
 * partners.d: one partner a file, named after its domain, loaded and checked as a whole into a policy snapshot.
 */
#ifndef GATEWAY_POLICY_PARTNER_FILE_H
#define GATEWAY_POLICY_PARTNER_FILE_H

#include "config/config.h"
#include "policy/broken.h"
#include "policy/policy_dir.h"
#include "xfed/policy.h"

#define PARTNER_FILES_MAX 100000

extern const struct rt_conf_table partner_file_table;

/*
 * One file: `text` of `file`, whose base name must be the normalised domain (or its A-labels) and ".yaml". The partner is
 * valid until partner_file_deinit(). A row of the matrix that is invalid is config.matrix.invalid, a doubtful one a warning.
 * `base_dir`: where a relative trust.ca would be found is not defined; paths are absolute. OK, INVALID (errors say why), NOMEM.
 */
struct partner_file {
	struct rt_conf_doc doc;
	struct xfed_partner partner;
};
int partner_file_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct partner_file *out);
void partner_file_deinit(struct partner_file *f); /* zeroed is fine */

/*
 * The whole directory: every *.yaml (others and hidden files are left alone), the local domains of `config`, and the dialback
 * secret of config->dialback.secret_file. OK: `*out` is a sealed snapshot, released with xfed_policy_free(). On any error
 * INVALID or NOMEM, and `*out` is NULL: what runs keeps running. With `broken`, at a start, a file that cannot be loaded is none: the
 * snapshot refuses every name that can be read in it, whoever else claims it, and the file is added there. `instead` may be NULL.
 */
int partner_dir_load(const char *dir, const struct config *config, struct policy_instead *instead, struct policy_broken *broken,
	struct rt_conf_errors *errors, struct xfed_policy **out);

#endif
