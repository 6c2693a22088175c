#include "cert_run.h"

#include <stdarg.h>
#include <time.h>

const char *cert_run_arg(const struct cert_run *r, const char *key)
{
	return json_string_value(json_object_get(r->args, key));
}

void cert_run_add(json_t *list, const char *fmt, ...)
{
	char text[1200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

enum ctl_exit cert_run_fail(struct cert_run *r, const char *fmt, ...)
{
	char text[CERT_ERROR];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ctl_refuse(r->options, text);
}

enum ctl_exit cert_run_refuse(struct cert_run *r, int rc)
{
	return ctl_refuse(r->options, rc == XFED_ERR_NOMEM ? "out of memory" : rc == XFED_ERR_LIBRARY ? "GnuTLS failed" : r->error);
}

enum ctl_exit cert_run_open(struct cert_run *r, enum cert_wanted wanted, const json_t *args, const struct ctl_options *options)
{
	*r = (struct cert_run){
		.options = options, .args = args, .done = json_array(), .notes = json_array(), .next = json_array(), .now_s = (int64_t)time(NULL)
	};
	const char *config = cert_run_arg(r, "config");
	if (options->socket || options->is_all) {
		cert_run_fail(r, "the files of one service are meant: choose it with --name, or its file with --config");
		return CTL_USAGE;
	}
	int rc = cert_hosts_open(&r->hosts, wanted, config, options->name, r->error);
	if (rc != XFED_OK) {
		return cert_run_refuse(r, rc);
	}
	cert_plan_init(&r->plan, r->hosts.items[0].uid, r->hosts.items[0].gid);
	return CTL_FINE;
}

void cert_run_close(struct cert_run *r)
{
	cert_plan_close(&r->plan);
	cert_hosts_close(&r->hosts);
	json_decref(r->done);
	json_decref(r->notes);
	json_decref(r->next);
}

enum ctl_exit cert_run_tell(struct cert_run *r)
{
	if (r->options->is_json) {
		json_t *j = json_pack("{s:b, s:O, s:O, s:O}", "ok", 1, "done", r->done, "notes", r->notes, "next", r->next);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
		json_decref(j);
		return CTL_FINE;
	}
	ctl_print_texts("", r->done);
	ctl_print_texts("note: ", r->notes);
	ctl_print_texts("next: ", r->next);
	return CTL_FINE;
}

enum ctl_exit cert_run_commit(struct cert_run *r, const struct cert_host *h)
{
	char again[CERT_ERROR], why[CERT_ERROR];
	int rc = cert_plan_commit(&r->plan, r->error);
	if (rc != XFED_OK) {
		return cert_run_refuse(r, rc);
	}
	switch (cert_host_reload(h, why)) {
	case CERT_SERVICE_FINE:
		cert_run_add(r->done, "%s has them in use", cert_host_service(h));
		break;
	case CERT_SERVICE_DOWN:
		cert_run_add(r->notes, "%s does not run: it takes them when it starts", cert_host_service(h));
		break;
	case CERT_SERVICE_REFUSES:
		rc = cert_plan_undo(&r->plan, again);
		if (rc == XFED_OK) {
			(void)cert_host_reload(h, again); /* so that it complains no more of files that are gone */
		}
		return cert_run_fail(
			r, "%s does not take the new files, and %s: %s", cert_host_service(h), rc == XFED_OK ? "all is as it was" : again, why);
	}
	return CTL_FINE;
}

enum ctl_exit cert_run_choose(struct cert_run *r)
{
	char names[512] = "";
	size_t len = 0;
	if (r->hosts.count == 1) {
		return CTL_FINE;
	}
	for (size_t i = 0; i < r->hosts.count && len < sizeof(names); i++) {
		len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", r->hosts.items[i].base->name);
	}
	cert_run_fail(r, "several services are configured here, choose one with --name:%s", names);
	return CTL_USAGE;
}
