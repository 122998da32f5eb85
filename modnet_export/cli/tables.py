"""Manifests and verifications as tables for people."""

from __future__ import annotations

from modnet_export.record.manifest import Manifest
from modnet_export.record.measures import CONVENTIONS, MEASURES, TRUTH_MEASURES, narrow_heading
from modnet_export.terminal.console import escape, number, say, show, table
from modnet_export.terminal.options import spelled
from modnet_export.verifying.result import Fp16Safety, Verification


def say_manifest(manifest: Manifest) -> None:
    taken = manifest.source.input_range
    say(
        f"[bold]MODNet {manifest.size} from '{escape(manifest.source.name)}'[/]"
        + ("" if taken is None else f", which takes RGB in {taken}")
    )
    shown = table()
    largest, mean, psnr = map(narrow_heading, ("max_abs_difference", "mad", "psnr_db"))
    for heading in ("artefact", "for", "MB", "input", largest, mean, psnr, "verdict"):
        shown.add_column(heading, justify="left" if heading in ("artefact", "for", "input") else "right")
    named = [(item, name, parity) for item in manifest.artefacts for name, parity in item.parities.items()]
    for artefact, name, measurements in named:
        processor = artefact.recipe.written_for(artefact.tuning)
        size_mb = f"{artefact.bytes / 1e6:.1f}" if name == artefact.file else ""
        if not measurements:  # its engine crashed
            shown.add_row(name, processor, size_mb, *("-",) * 4, "[bold red]CRASHED[/]")
        for index, item in enumerate(measurements):
            finite = item.max_abs_difference is not None
            shown.add_row(
                *((name, processor, size_mb) if index == 0 else ("",) * 3),
                escape(item.input),
                number(item.max_abs_difference, "not finite"),
                number(item.mad, "not finite"),
                f"{item.psnr_db:.0f}" if item.psnr_db is not None else "equal" if finite else "-",
                "[green]passed[/]" if item.passed else "[bold red]FAILED[/]",
            )
    show(shown, spare=("for", "MB", psnr, mean))
    for artefact in manifest.artefacts:
        if artefact.search is not None:
            point = artefact.search.chosen
            say(
                f"{artefact.file}: {point.integer_macs:.0%} of the multiplications in int8; on the calibration images "
                f"mean {point.mad:.1e}, 99.9 % {point.p999:.2g}, max {point.max_abs_difference:.2g} from float "
                f"({'within' if artefact.search.held else '[yellow]beyond[/]'} {artefact.search.budget})."
            )
    _say_norms(manifest)
    say(f"Absolute differences of mattes in [0, 1] from the reference ({escape(manifest.reference)}), PSNR in dB.")
    say(f"Allowed: {_limits(manifest)}.")
    for engine in {item.engine: None for item in manifest.artefacts if item.format == "coreml" and item.parity}:
        say(f"Core ML packages were {engine}.")


def _say_norms(manifest: Manifest) -> None:
    """How the norms of fp16 Core ML programs are written; all of them have the same."""
    norms = next((item.norms for item in manifest.artefacts if item.norms), ())
    if not norms:
        return
    shown = table()
    for heading in ("norm", "channels", "map", "max |x - mean|", "least variance", "sum of squares", "form", "why"):
        shown.add_column(heading, justify="left" if heading in ("norm", "form", "why") else "right")
    for item in norms:
        _, channels, height, width = item.shape
        numbers = (item.largest_centred, item.least_variance, item.largest_sum_of_squares)
        name = item.name.split("/")[0]
        shown.add_row(
            escape(name), str(channels), f"{height}x{width}", *(f"{each:.3g}" for each in numbers), item.form, item.why
        )
    show(shown, spare=("channels", "map", "why"))
    say("Norms of fp16 Core ML programs, as measured on the calibration images.")


def _limits(manifest: Manifest) -> str:
    """Every limit with what it holds for: precisions where all artefacts of one share it, files elsewhere."""
    of_precision: dict[str, set[str]] = {}
    for artefact in manifest.artefacts:
        of_precision.setdefault(artefact.precision, set()).add(str(artefact.tolerance))
    names: dict[str, dict[str, None]] = {}
    for artefact in manifest.artefacts:
        alike = len(of_precision[artefact.precision]) == 1
        names.setdefault(str(artefact.tolerance), {})[artefact.precision if alike else artefact.file] = None
    return "; ".join(f"{', '.join(found)} {limit}" for limit, found in names.items())


def _say_between_frames(result: Verification) -> None:
    if not result.flickers:
        return
    links = {link.name: link for link in result.links}
    shown = table(["artefact"], [*map(narrow_heading, ("dtssd", "flicker", "warped_flicker")), "MAD"])
    for name, along_motion, mad in result.flickers:
        changes = [links[name].summary(measure) if name in links else None for measure in ("dtssd", "flicker")]
        shown.add_row(escape(name), *(number(value, "-") for value in (*changes, along_motion, mad)))
    show(shown)
    say(
        "Means over all frames: dtSSD says how differently the matte and the reference change from frame to frame;\n"
        "flicker says how much more the matte changes. A frozen matte has no flicker, but it has a dtSSD.\n"
        "Flicker along motion is mean |p_t - p_(t-1)|, after the previous matte was moved along the picture's motion.\n"
        "MAD is from the true mattes."
    )
    if result.steadiness:
        shown = table(["against flicker"], [narrow_heading("warped_flicker"), "mean (MAD)"])
        for way in result.steadiness:
            shown.add_row(way.temporal, f"{way.flicker:.2e}", f"{way.mad:.2e}")
        show(shown)
        say(
            f"These are the reference's mattes; MAD is from {result.steadied_from}. `matte` uses flow, apps use the\n"
            "one-frame delay."
        )


def _sums(safety: Fp16Safety) -> str:
    """What the least exact convolution loses where it adds up in fp16, as a part of a sentence."""
    if not safety.sums:
        return ""
    worst = safety.sums[0]
    most = f"{worst.op} {escape(worst.tensor)} of {worst.terms} terms"
    return f"in fp16 sums, {most} loses most, {worst.relative_error:.2%}; "


def say_verification(result: Verification) -> None:
    inputs = f"{len(result.inputs)} inputs" if len(result.inputs) != 1 else escape(result.inputs[0])
    say(f"[bold]MODNet {result.size} from '{escape(result.source.name)}' on {inputs}[/]")
    verdicts = {"passed": "[green]passed[/]", "failed": "[bold red]FAILED[/]", "not run": "[yellow]not run[/]"}
    headings = [*map(narrow_heading, ("max_abs_difference", "p999", "mad", "edge_mad", "ssim")), "verdict"]
    shown = table(["artefact"], headings)
    for link in result.links:
        errors = map(link.summary, ("max_abs_difference", "p999", "mad", "edge_mad"))
        ssim = link.summary("ssim")
        shown.add_row(
            escape(link.name),
            *(number(value, "-") for value in errors),
            "-" if ssim is None else f"{ssim:.3f}",
            verdicts[link.verdict],
        )
    show(shown, spare=map(narrow_heading, ("p999", "ssim", "edge_mad", "max_abs_difference")))
    if result.left_out:
        say(
            f"Not asked for: {escape(', '.join(result.left_out))}. "
            "The delegates builtin and gpu run .tflite files; cpu runs every file."
        )
    say(
        f"Differences from {escape(result.reference)}: the largest and the 99.9th percentile of the worst input,\n"
        "the means over all inputs and in the edge band, where hair is, and the lowest SSIM."
    )
    _say_between_frames(result)
    if result.truth is not None:
        shown = table(["artefact"], [MEASURES[name].heading for name in TRUTH_MEASURES])
        shown.title_justify = "left"
        shown.title = (
            f"Against the ground truth of {result.truth.images} image(s), change from the reference in brackets\n"
            f"Grad and Conn: {CONVENTIONS[result.metrics_convention]}"
        )
        for name, truth in [("reference", result.truth), *((link.name, link.truth) for link in result.links)]:
            if truth is not None:
                pairs = [(getattr(truth, measure), getattr(result.truth, measure)) for measure in TRUTH_MEASURES]
                cells = [
                    f"{value:.3g}" + ("" if truth is result.truth else f" ({value - base:+.1g})")
                    for value, base in pairs
                ]
                shown.add_row(escape(name), *cells)
        show(shown, spare=[MEASURES[name].heading for name in ("mse", "conn", "grad")])
    for safety in result.fp16_safety:
        top = safety.largest[0]
        verdict = "survives fp16" if safety.passed else "[bold red]does not survive fp16[/]"
        say(
            f"{escape(safety.artefact)} {verdict}: its largest {top.what} is {top.largest:.0f} (fp16 ends at 65504), "
            f"in {top.op} {escape(top.tensor)}; {_sums(safety)}"
            f"rounded after every op, its matte moves by a mean of {number(safety.mad, 'not finite')}, "
            f"{number(safety.worst_mad, 'not finite')} on {escape(safety.worst_input)}."
        )
        if safety.loses:
            say("  An app can ask LiteRT's GPU accelerator for float32 sums: the precision FP16_WITH_FP32_ACCUM.")
    for read in result.assumed:
        say(f"{escape(read.artefact)}, held to the limits of {read.precision}, was read as")
        say(f"  in   {escape(read.image)}: {escape(read.code)}")
        say(f"  out  {escape(read.matte)}")
        for item in read.found:
            say(f"  found by its behaviour: {escape(item)}")
    for diagnosis in result.diagnoses:
        name = ", ".join(diagnosis.hypotheses) or "not explained"
        say(f"[bold red]{escape(diagnosis.artefact)}[/]: [bold]{escape(name)}[/] (on {escape(diagnosis.input)}).")
        say(f"  {escape(diagnosis.cause[:1].upper() + diagnosis.cause[1:])}: {diagnosis.effect}.")
        say(f"  Mend: {escape(spelled(diagnosis.mend))}")
    for suspect in result.suspects:
        say(f"{escape(suspect.headline)} [bold]{escape(suspect.op)}[/]:")
        say(f"  {escape(suspect.explanation)}.")
    for engine in {link.engine: None for link in result.links if link.engine}:
        say(f"  {escape(engine)}")
