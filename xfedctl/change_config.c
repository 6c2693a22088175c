/* config set: the numbers of gateway.yaml. */
#include "change_settings.h"

static bool is_number(const struct rt_conf_row *row)
{
	return row && (row->type == RT_CONF_INT || row->type == RT_CONF_DURATION || row->type == RT_CONF_SIZE);
}

static enum ctl_exit set(struct change *c, const char *key, const char *value)
{
	char error[RT_CONF_EDIT_ERROR];
	struct xfed_buf text;
	bool exists;
	const struct rt_conf_row *row = rt_conf_row_of(&config_table, key);
	if (row && !is_number(row)) {
		return change_refuse(c, "%s is no number: config set changes limits, time-outs and intervals; change it by hand", key);
	}
	snprintf(c->file, sizeof(c->file), "%s", c->config_path);
	enum ctl_exit rc = change_read(c, RT_CONF_FILE_BYTES, &exists);
	if (rc != CTL_FINE) {
		return rc;
	}
	xfed_buf_init(&text, RT_CONF_FILE_BYTES);
	if (rt_conf_set(&config_table, c->file, xfed_buf_span(&c->was), key, value, &text, error) != XFED_OK) {
		xfed_buf_deinit(&text);
		return change_refuse(c, "%s", error);
	}
	change_take(c, &text);
	return change_make(c);
}

enum ctl_exit ctl_do_config_set(const json_t *args, const struct ctl_options *options)
{
	struct change c;
	enum ctl_exit rc = change_open(&c, "config set", args, options);
	rc = rc == CTL_FINE ? set(&c, ctl_str(args, "key"), ctl_str(args, "value")) : rc;
	change_close(&c);
	return rc;
}
