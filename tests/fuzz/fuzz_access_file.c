/*
 * Arbitrary bytes as an access file, p.yaml. Security sentence: once a file was accepted, a user whom no rule names and no
 * global rule allows may not use federation; a file that was refused, and is all there is, allows nobody.
 */
#include <stdint.h>
#include <stdlib.h>

#include "fe-gateway/policy/access_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rt_conf_errors errors;
	struct access_set *s;
	const struct access_rule *rule;
	const struct xfed_jid stranger = { .local = XFED_SPAN("nobody-names-me"), .domain = XFED_SPAN("nowhere.invalid") };
	struct xfed_span text = xfed_span_make(data, size);
	/* Reading a file of users is no part of this. */
	if (!data || size == 0 || memmem(data, size, "_file", 5) || memmem(data, size, "nowhere", 7) || access_set_new(&s) != XFED_OK) {
		return 0;
	}
	rt_conf_errors_init(&errors);
	int rc = access_set_add(s, "p.yaml", text, &errors);
	if ((rc == XFED_OK) != (errors.error_count == 0)) {
		abort();
	}
	bool is_allowed = access_set_judge(s, &stranger, &rule) == XFED_REASON_NONE;
	if (is_allowed && (rc != XFED_OK || !rule)) {
		abort();
	}
	access_set_free(s);
	rt_conf_errors_deinit(&errors);
	return 0;
}
