//! The limits of templates: each excess ends in an error of one sentence, soon and within bounded memory.

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::json;

use super::{Jinja, Rules};
use crate::limits::TEMPLATE_STEPS;

fn render(source: &str) -> Result<String, String> {
    let messages = json!({"messages": [{"role": "user", "content": "a b"}], "question": "q"});
    Jinja::new(Rules::Chat).render_text(source, Value::from(Serde(messages)))
}

#[test]
fn what_never_ends_is_stopped() {
    for source in [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}{% endfor %}{% endfor %}{% endfor %}x",
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for a in range(9999) %}{% set b = range(99999) | list | sort %}{% endfor %}",
        "{% for a in range(99999) %}{{ messages | tojson }}{{ messages | tojson(indent=100) }}{% endfor %}",
    ] {
        let error = render(source).unwrap_err();
        assert!(
            error.contains(&TEMPLATE_STEPS.to_string())
                || error.contains("bytes of text")
                || error.contains("recursion"),
            "{source}: {error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn what_grows_without_bound_is_stopped() {
    let doubled = |times: u32, step: &str, end: &str| {
        format!(
            "{{% set ns = namespace(s='0123456789', l=['0123456789' * 100], d={{'a': '0123456789' * 100}}) %}}\
             {{% for i in range({times}) %}}{step}{{% endfor %}}{end}"
        )
    };
    let grown = |step: &str, end: &str| doubled(60, step, end);
    // 262 MB of text from 18 lists; the loop over them ends soon after the limit stops it.
    let nested = |end: &str| doubled(18, "{% set ns.l = [ns.l, ns.l] %}", end);
    let sources = [
        "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}".to_owned(),
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}".to_owned(),
        "{{ 'x' * 99999999 * 99999999 }}".to_owned(),
        "{{ 'x' * 90000000 ~ 'x' * 90000000 }}".to_owned(),
        "{{ 'x' | center(9999999999) }}".to_owned(),
        "{{ 'x'.center(9999999999) }}{{ 'x'.ljust(99999999999) }}".to_owned(),
        "{{ '1'.zfill(99999999999) }}".to_owned(),
        "{{ '\t'.expandtabs(99999999999) }}".to_owned(),
        "{{ '%9999999999d' % 1 }}".to_owned(),
        "{{ '%*d' % (9999999999, 1) }}".to_owned(),
        "{{ '%.9999999999f' % 1.5 }}".to_owned(),
        "{{ '%9999999999d' | format(1) }}".to_owned(),
        "{{ '{:>9999999999}'.format('x') }}".to_owned(),
        "{{ '{:.9999999999f}'.format(1.5) }}".to_owned(),
        "{{ '{:{}}'.format(1, 9999999999) }}".to_owned(),
        "{{ 'x' | indent(9999999999, true) }}".to_owned(),
        "{{ ('x\n' * 1000000) | indent(1000000) }}".to_owned(),
        "{{ range(99999) | join('x' * 1000000) }}".to_owned(),
        "{{ ('x' * 1000000).join(range(99999) | map('string')) }}".to_owned(),
        "{{ [1] | tojson(indent=9999999999) }}".to_owned(),
        "{{ range(99999) | list | tojson(indent='x' * 1000000) }}".to_owned(),
        "{{ range(99999) | list | tojson(separators=('x' * 1000000, ':')) }}".to_owned(),
        "{{ ('x ' * 1000000) | wordwrap(1, wrapstring='y' * 1000000) }}".to_owned(),
        "{{ ([1] * 99999999) | list | length }}".to_owned(),
        grown("{% set ns.s = ns.s ~ ns.s %}", ""),
        grown("{% set ns.s = ns.s + ns.s %}", ""),
        grown("{% set ns.s = [ns.s, ns.s] | join %}", ""),
        grown("{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}", ""),
        grown("{% set ns.s = ns.s * 2 %}", ""),
        grown("{% set ns.s = '%s%s' % (ns.s, ns.s) %}", ""),
        grown("{% set ns.s = '{0}{0}'.format(ns.s) %}", ""),
        grown("{% set ns.l = ns.l + ns.l %}", "{{ ns.l | length }}{{ ns.l | list | length }}"),
        nested("{{ ns.l | tojson }}"),
        nested("{{ ns.l | string }}"),
        nested("{{ ns.l ~ '' }}"),
        nested("{{ '%s' % [ns.l] }}"),
        nested("{{ '%r' % [ns.l] }}"),
        nested("{{ ns.l | center(3) }}"),
        nested("{{ ns.l | wordcount }}"),
        nested("{{ ns.l | striptags }}"),
        nested("{{ raise_exception(ns.l) }}"),
        nested("{{ '{}'.format(ns.l) }}"),
        nested("{{ ','.join(ns.l) }}"),
        nested("{{ ns.l | pprint }}"),
        doubled(18, "{% set ns.d = {'a': ns.d, 'b': ns.d} %}", "{{ ns.d | tojson }}"),
    ];
    for source in sources {
        let error = render(&source).unwrap_err();
        assert!(!error.contains('\n') && error.len() < 2000, "{source}: {error}");
    }
}

#[test]
fn what_is_deep_ends_well() {
    for source in [
        "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}x",
        "{% set ns = namespace(l={}) %}{% for i in range(99999) %}{% set ns.l = {'a': ns.l} %}{% endfor %}x",
    ] {
        assert_eq!(render(source).unwrap(), "x");
    }
    for end in ["{{ ns.l }}", "{{ ns.l | tojson }}", "{{ ns.l == [ns.l] }}", "{{ ns.l | string | length }}"] {
        let source =
            "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}";
        // The result is a value or an error, and the process survives.
        let _ = render(&format!("{source}{end}"));
    }
    let brackets = format!("{{{{ {}1{} }}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(render(&brackets).is_err());
    let blocks = format!("{}x{}", "{% if true %}".repeat(5000), "{% endif %}".repeat(5000));
    assert!(render(&blocks).is_err());
    assert!(render(&format!("{{{{ {}1 }}}}", "-".repeat(100_000))).is_err());
    assert!(render(&format!("{{{{ {}1 }}}}", "not ".repeat(100_000))).is_err());
    assert!(render(&format!("{{{{ 1{} }}}}", " % 1".repeat(100_000))).is_err());
}

#[test]
fn a_template_that_takes_no_fuel_is_given_up() {
    // More comparisons than fit in the time, but few enough that they end by themselves soon after.
    let twice = "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(28) %}{% set ns.a = [ns.a, ns.a] %}\
                 {% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}";
    let mut jinja = Jinja::new(Rules::Chat);
    jinja.patience = std::time::Duration::from_millis(50);
    let error = jinja.render_text(twice, Value::UNDEFINED).unwrap_err();
    assert!(error.contains("0.05 seconds and was given up"), "{error}");
    // The abandoned template may still run, so it is not started again; other templates are.
    assert_eq!(jinja.render_text(twice, Value::UNDEFINED).unwrap_err(), error);
    assert_eq!(jinja.render_text("{% if true %}x{% endif %}", Value::UNDEFINED).unwrap(), "x");
}

#[test]
fn digits_that_are_no_width_cost_nothing() {
    let source =
        "{{ 'Call 5551234567: {} {0[99999999]}'.format }}{{ '9999999999 {{9999999999}} {}'.format('x') }}";
    assert!(
        render(source).is_ok_and(|text| text.ends_with("9999999999 {9999999999} x")),
        "{:?}",
        render(source)
    );
}

#[test]
fn a_large_prompt_is_no_fault() {
    let content = "word ".repeat(200_000);
    let messages = json!({"messages": [{"role": "user", "content": content}]});
    let source =
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content.strip() | trim + '\n' }}{% endfor %}";
    let text = Jinja::new(Rules::Chat).render_text(source, Value::from(Serde(messages))).unwrap();
    assert_eq!(text.len(), "<user>\n".len() + content.len() - 1);
}

#[test]
fn too_much_text_is_refused() {
    let error = render("{% set x = 'y' * 9000000 %}{{ x }}{{ x }}").unwrap_err();
    assert!(error.contains("more than 16777216 bytes of text"), "{error}");
}
