//! Explains merge methods and their parameters, one line each. The English texts come from the table of methods in
//! `recipe`; the Japanese texts are here. The Recipe pane and the list of methods show them.

use super::{Language, any_number, default_is, either, language, yes_or_no};
use crate::recipe::{Kind, Method, Param, ParamSpec, Range};

/// One line on what a method does.
#[must_use]
pub fn method_about(method: Method) -> &'static str {
    either(
        method.about(),
        match method {
            Method::Linear => "モデルそのものの加重平均（ベース不要）",
            Method::Slerp => "ベースから別の1モデルへ球面上の弧に沿って補間",
            Method::Nuslerp => "2つのモデル（またはタスクベクトル）の間を弧に沿って補間",
            Method::Multislerp => "モデルの平均方向を中心とする球面上の加重平均",
            Method::Karcher => "球面上のモデルの方向の平均を反復で求める",
            Method::TaskArithmetic => "ベース＋タスクベクトルの加重和",
            Method::Ties => "大きい変化を残し、符号を選び、一致するものを平均",
            Method::DareLinear => "変化をランダムに落とし、残りを拡大して加える",
            Method::DareTies => "変化をランダムに落として拡大し、符号を選び、一致するものを加える",
            Method::DellaLinear => "小さい変化ほど多く落とし、拡大して加える",
            Method::Della => "小さい変化ほど多く落として拡大し、符号を選び、一致するものを平均",
            Method::Breadcrumbs => "最大と最小の変化を落とし、残りを加える",
            Method::BreadcrumbsTies => "最大と最小の変化を落とし、符号を選び、一致するものを加える",
            Method::Sce => "モデル間の差が大きい所を残し、変化量で重み付けし、符号を選ぶ",
            Method::Ram => "複数のモデルの変化は平均し、1つだけの変化は加える",
            Method::RamplusTl => "ramと同様、各モデル固有の変化をテンソルごとに増幅",
            Method::ModelStock => "モデルの平均を、タスクベクトルの不一致の分だけベースに寄せる",
            Method::Nearswap => "ベースに近い所で別のモデルの値を取る",
            Method::ArceeFusion => "別のモデルの最も重要な変化だけを取る",
            Method::Passthrough => "1つのモデルをそのまま、または複数のモデルの層をつなぐ",
        },
    )
}

/// One line on what a parameter means in a method. The same parameter may mean something else in another method.
#[must_use]
fn param_about(method: Method, param: Param) -> &'static str {
    let english = method.parameters().iter().find(|p| p.param == param).map_or("", |p| p.about);
    either(
        english,
        match param {
            Param::Weight => "このモデルをどれだけ入れるか",
            Param::Density => "タスクベクトルの要素を残す割合",
            Param::Gamma => "最大の変化を落とす割合",
            Param::Epsilon => match method {
                Method::Della | Method::DellaLinear => "残る確率が大きさに応じて密度から上下する幅",
                _ => "これ以下の変化はないものとみなす",
            },
            Param::Scale => "テンソルに掛ける係数",
            Param::Lambda => "タスクベクトルの和に掛ける係数",
            Param::Normalize => "加わった重みの和で割る",
            Param::Rescale => "残した分を元のタスクベクトルの大きさに戻す",
            Param::Int8Mask => "mergekitのマスクの型（結果は同じ）",
            Param::T => match method {
                Method::Nearswap => "別のモデルの値をそのまま取る距離の上限",
                _ => "弧の上の位置（0がベース、1が別のモデル）",
            },
            Param::NuslerpRowWise => "行ではなく列ごとに回す",
            Param::NuslerpFlatten => "テンソル全体を1つのベクトルとして回す",
            Param::NormalizeWeights => "重みをその和で割る",
            Param::Eps => "これより短い長さは0とみなす",
            Param::MaxIter => "反復の上限",
            Param::Tol => "これより短い一歩で反復を終える",
            Param::SelectTopk => "分散の大きい順に残す要素の割合",
            Param::FilterWise => "テンソル全体ではなく行ごとに比を求める",
            Param::R => "重なり1あたりの増幅",
            Param::Alpha => "数える重なりの上限",
        },
    )
}

/// One line with a parameter's meaning, range and default.
#[must_use]
pub fn parameter_line(method: Method, spec: &ParamSpec) -> String {
    let mut out = format!("{}: {}", spec.param.name(), param_about(method, spec.param));
    let range = match spec.kind {
        Kind::Flag => format!("{}/{}", yes_or_no(true), yes_or_no(false)),
        Kind::Number | Kind::Count => range_words(spec.range),
    };
    out.push_str("; ");
    out.push_str(&range);
    if let Some(default) = spec.default {
        let default = match spec.kind {
            Kind::Flag => yes_or_no(default != 0.0).to_owned(),
            Kind::Number | Kind::Count => default.to_string(),
        };
        out.push_str("; ");
        out.push_str(&default_is(&default));
    }
    out
}

fn range_words(range: Range) -> String {
    if language() == Language::English {
        return range.to_string();
    }
    let least = if range.above { "より大" } else { "以上" };
    let most = if range.below { "未満" } else { "以下" };
    let low = range.low.is_finite().then(|| format!("{}{least}", range.low));
    let high = range.high.is_finite().then(|| format!("{}{most}", range.high));
    let parts: Vec<String> = low.into_iter().chain(high).collect();
    if parts.is_empty() { any_number().to_owned() } else { parts.join("、") }
}
