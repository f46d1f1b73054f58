"""What the README's figures come from; each module prints its table. Figures are ratios within one run."""
