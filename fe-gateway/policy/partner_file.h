/* partners.d: one file per partner, named after its domain, loaded and checked as a whole into a policy snapshot. */
#ifndef GATEWAY_POLICY_PARTNER_FILE_H
#define GATEWAY_POLICY_PARTNER_FILE_H

#include "config/config.h"
#include "policy/broken.h"
#include "policy/policy_dir.h"
#include "xfed/policy.h"

#define PARTNER_FILES_MAX 100000

extern const struct rt_conf_table partner_file_table;

/*
 * Loads one file: `text` of `file`, whose base name has to be the normalised domain (or its A-labels) and ".yaml". The partner is valid
 * until partner_file_deinit(). A combination of tls, sasl and dialback that is invalid is config.matrix.invalid, a doubtful one a warning.
 * Paths in it are absolute. OK, INVALID (`errors` say why), NOMEM.
 */
struct partner_file {
	struct rt_conf_doc doc;
	struct xfed_partner partner;
	struct iw_presence_choice presence;
};
int partner_file_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct partner_file *out);
void partner_file_deinit(struct partner_file *f); /* zeroed memory is fine */

struct partner_presence;

/*
 * Loads the whole directory: every *.yaml (other and hidden files are left alone), the local domains of `config`, and the dialback secret
 * of config->dialback.secret_file. OK: `*out` is a sealed snapshot, which the caller releases with xfed_policy_free(). After any error,
 * INVALID or NOMEM, `*out` is NULL, and what is in force stays so; the caller frees `*presence` in any case. With `broken`, at a start, a file that cannot be loaded is no error: the
 * snapshot refuses every name that can be read in it, whatever other files say, and the file is added to `broken`. `instead` may be NULL.
 */
int partner_dir_load(const char *dir, const struct config *config, struct policy_instead *instead, struct policy_broken *broken,
	struct rt_conf_errors *errors, struct partner_presence **presence, struct xfed_policy **out);

/* What files say of presence, by the partner's domain; of partners that say nothing there is nothing. OK, NOMEM. */
int partner_presence_add(struct partner_presence **table, const char *domain, const struct iw_presence_choice *choice);
const struct iw_presence_choice *partner_presence_find(const struct partner_presence *table, const char *domain); /* NULL: nothing */
void partner_presence_free(struct partner_presence **table);

#endif
